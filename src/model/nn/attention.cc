#include "model/nn/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/ops/elementwise.h"
#include "core/ops/rms_norm.h"
#include "core/tensor/pool_vector.h"

namespace cadre::nn {
namespace {

// Turns by a table to positions some of which may lie beyond it.
class Turns {
 public:
  Turns(Context& ctx, std::span<const int32_t> positions, const ops::RopeTable& table)
      : positions_(positions), table_(table), rows_(ctx.allocator()) {
    if (positions.empty() || *std::ranges::max_element(positions) < table.max_positions()) return;
    beyond_ = table.at(positions, ctx.allocator());
    rows_.resize(positions.size());
    std::iota(rows_.begin(), rows_.end(), 0);
  }

  Tensor turn(Context& ctx, const Tensor& x, int64_t num_heads) const {
    return beyond_ ? ops::rope(ctx, x, num_heads, rows_, *beyond_)
                   : ops::rope(ctx, x, num_heads, positions_, table_);
  }

 private:
  std::span<const int32_t> positions_;
  const ops::RopeTable& table_;
  std::optional<ops::RopeTable> beyond_;  // a row for each position
  PoolVector<int32_t> rows_;              // 0, 1, ... of it
};

}  // namespace

Attention::Attention(const model::ModelSpec& model, int64_t layer,
                     const model::Parameters& parameters,
                     std::shared_ptr<const ops::RopeTable> rope)
    : spec_(model.blocks[static_cast<size_t>(layer)].attention),
      layer_(layer),
      eps_(static_cast<float>(model.rms_norm_eps)),
      rope_(std::move(rope)),
      query_(fmt::format("blocks.{}.attention.query", layer), parameters),
      key_(fmt::format("blocks.{}.attention.key", layer), parameters),
      value_(fmt::format("blocks.{}.attention.value", layer), parameters),
      output_(fmt::format("blocks.{}.attention.output", layer), parameters) {
  if (spec_.filter) filter_.emplace(model, layer, parameters);
  if (spec_.qk_norm == model::QkNorm::full_width) {
    query_norm_ = parameters.tensor(fmt::format("blocks.{}.attention.query_norm", layer));
    key_norm_ = parameters.tensor(fmt::format("blocks.{}.attention.key_norm", layer));
  }
}

Tensor Attention::forward(Context& ctx, const Tensor& x, const ForwardInput& input) const {
  const DType type = x.dtype();
  Tensor q, k, v;
  {
    const ops::Weight* const weights[] = {&query_.weight(), &key_.weight(), &value_.weight()};
    const Tensor filtered = filter_ ? filter_->forward(ctx, x, input) : x;
    const ops::LinearInput rows = ops::linear_input(ctx, filtered, weights);
    q = query_.forward(ctx, rows, type);
    k = key_.forward(ctx, rows, type);
    v = filter_ ? value_.forward(ctx, x, type) : value_.forward(ctx, rows, type);
  }
  if (query_norm_.defined()) {
    q = ops::rms_norm(ctx, q, query_norm_, eps_, type);
    k = ops::rms_norm(ctx, k, key_norm_, eps_, type);
  }
  if (spec_.clip_qkv > 0) {
    const auto limit = static_cast<float>(spec_.clip_qkv);
    q = ops::clamp(ctx, q, limit);
    k = ops::clamp(ctx, k, limit);
    v = ops::clamp(ctx, v, limit);
  }
  ops::AttentionOptions options = {
      .num_heads = spec_.num_heads,
      .num_kv_heads = spec_.num_kv_heads,
      .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec_.head_dim))),
      .window = spec_.window};
  Tensor y;
  if (input.store != nullptr) {
    const KeyValueStore::Reach reach = input.store->reach(layer_, spec_.window);
    options.window = reach.window;
    options.sinks = reach.sinks;
    const Turned turned = turn(ctx, q, k, input, reach);
    const ops::KeyValuePages pages = input.store->extend(ctx, layer_, turned.k, v);
    y = ops::paged_attention(ctx, turned.q, pages, input.store->segments(layer_), options,
                             turned.sink_q);
  } else {
    q = ops::rope(ctx, q, spec_.num_heads, input.positions, rope_);
    k = ops::rope(ctx, k, spec_.num_kv_heads, input.positions, rope_);
    y = ops::attention(ctx, q, k, v, input.segments, options);
  }
  return output_.forward(ctx, y, type);
}

// Turns queries and keys to their positions, which may lie beyond the table where the store says
// so, and queries that sinks are far behind to the place directly behind sinks and window.
Attention::Turned Attention::turn(Context& ctx, const Tensor& q, const Tensor& k,
                                  const ForwardInput& input,
                                  const KeyValueStore::Reach& reach) const {
  if (!reach.beyond_context) {
    return {ops::rope(ctx, q, spec_.num_heads, input.positions, rope_),
            ops::rope(ctx, k, spec_.num_kv_heads, input.positions, rope_),
            {}};
  }
  const Turns own(ctx, *input.positions, *rope_);
  Turned turned = {own.turn(ctx, q, spec_.num_heads), own.turn(ctx, k, spec_.num_kv_heads), {}};
  if (reach.sinks == 0) return turned;
  const int64_t last = reach.sinks + reach.window - 1;
  PoolVector<int32_t> near(input.positions->begin(), input.positions->end(), ctx.allocator());
  for (int32_t& position : near) {
    position = static_cast<int32_t>(std::min<int64_t>(position, last));
  }
  turned.sink_q = Turns(ctx, near, *rope_).turn(ctx, q, spec_.num_heads);
  return turned;
}

KeyValueStore::Reach KeyValueStore::reach(int64_t, int64_t window) const { return {window, 0}; }

}  // namespace cadre::nn
