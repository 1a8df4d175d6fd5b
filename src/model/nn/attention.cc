#include "model/nn/attention.h"

#include <fmt/format.h>

#include <cmath>

#include "core/ops/linear.h"
#include "core/ops/rms_norm.h"

namespace cadre::nn {

Attention::Attention(const model::ModelSpec& model, int64_t layer,
                     const model::Parameters& parameters,
                     std::shared_ptr<const ops::RopeTable> rope)
    : spec_(model.blocks[static_cast<size_t>(layer)].attention),
      layer_(layer),
      eps_(static_cast<float>(model.rms_norm_eps)),
      rope_(std::move(rope)) {
  const auto weight = [&](const char* name) {
    return parameters.tensor(fmt::format("blocks.{}.attention.{}", layer, name));
  };
  if (spec_.filter) filter_.emplace(model, layer, parameters);
  query_ = weight("query");
  key_ = weight("key");
  value_ = weight("value");
  output_ = weight("output");
  if (spec_.qk_norm == model::QkNorm::full_width) {
    query_norm_ = weight("query_norm");
    key_norm_ = weight("key_norm");
  }
}

Tensor Attention::forward(Context& ctx, const Tensor& x, const ForwardInput& input) const {
  const DType type = x.dtype();
  const Tensor filtered = filter_ ? filter_->forward(ctx, x, input) : x;
  Tensor q = ops::linear(ctx, filtered, query_, type);
  Tensor k = ops::linear(ctx, filtered, key_, type);
  Tensor v = ops::linear(ctx, x, value_, type);
  if (query_norm_.defined()) {
    q = ops::rms_norm(ctx, q, query_norm_, eps_, type);
    k = ops::rms_norm(ctx, k, key_norm_, eps_, type);
  }
  q = ops::rope(ctx, q, spec_.num_heads, input.positions, rope_);
  k = ops::rope(ctx, k, spec_.num_kv_heads, input.positions, rope_);
  ops::AttentionSegments segments = input.segments;
  if (input.store != nullptr) {
    const KeyValueStore::View view = input.store->extend(ctx, layer_, k, v);
    k = view.keys;
    v = view.values;
    segments = input.store->segments(layer_);
  }
  const ops::AttentionOptions options = {
      .num_heads = spec_.num_heads,
      .num_kv_heads = spec_.num_kv_heads,
      .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec_.head_dim))),
      .window = spec_.window};
  return ops::linear(ctx, ops::attention(ctx, q, k, v, segments, options), output_, type);
}

}  // namespace cadre::nn
