#include "model/decoder.h"

#include <algorithm>
#include <utility>

#include "core/ops/recompute.h"
#include "model/rotation.h"

namespace cadre::model {

Decoder::Decoder(ModelSpec spec, std::shared_ptr<const Parameters> parameters,
                 const nn::RoutingControl& routing)
    : spec_(std::move(spec)),
      parameters_(std::move(parameters)),
      routing_(routing),
      embedding_(parameters_->weight("embedding")),
      norm_("norm", spec_, *parameters_),
      head_(spec_.tied_embeddings ? embedding_ : parameters_->weight("head")) {
  // Layers that turn alike share a table.
  std::vector<std::pair<AttentionSpec, std::shared_ptr<const ops::RopeTable>>> tables;
  for (int64_t layer = 0; layer < spec_.num_layers(); ++layer) {
    const BlockSpec& block = spec_.blocks[static_cast<size_t>(layer)];
    if (const auto* moe = std::get_if<MoeSpec>(&block.feed_forward)) {
      nn::controlled(moe->router, routing_);
    }
    const AttentionSpec& attention = block.attention;
    auto found = std::ranges::find_if(tables, [&](const auto& entry) {
      return entry.first.rope == attention.rope &&
             entry.first.rotary_dim() == attention.rotary_dim();
    });
    if (found == tables.end()) {
      const std::vector<double> frequencies =
          rotary_frequencies(attention.rope, attention.rotary_dim());
      found = tables.insert(
          found, {attention, std::make_shared<const ops::RopeTable>(
                                 spec_.max_positions, frequencies, attention.rope.precision)});
    }
    const auto& table = found->second;
    if (block.residual_mlp) {
      blocks_.emplace_back(nn::HybridBlock(spec_, layer, *parameters_, table));
    } else {
      blocks_.emplace_back(nn::Block(spec_, layer, *parameters_, table));
    }
  }
}

Tensor Decoder::hidden(Context& ctx, const nn::ForwardInput& given, nn::ForwardTrace* trace) const {
  nn::ForwardInput input = given;
  input.routing = nn::merged(given.routing, routing_);
  if (trace != nullptr) trace->routers.assign(blocks_.size(), {});
  Tensor x = ops::embedding(ctx, embedding_, *input.tokens, DType::f32);
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    nn::RouterTrace* router = trace != nullptr ? &trace->routers[layer] : nullptr;
    const auto run = [this, layer](Context& inner, const Tensor& start, const nn::ForwardInput& in,
                                   nn::RouterTrace* out) {
      return std::visit([&](const auto& block) { return block.forward(inner, start, in, out); },
                        blocks_[layer]);
    };
    if (input.recompute && ctx.recording()) {
      // The gradient must exist before the first pass, which records nothing, so that both passes
      // and the caller share it.
      if (router != nullptr) router->gradient = std::make_shared<ops::RouterGradient>();
      x = ops::recompute(ctx, x, [run, input, router](Context& inner, const Tensor& start) {
        return run(inner, start, input, router);
      });
    } else {
      x = run(ctx, x, input, router);
    }
  }
  return norm_.forward(ctx, x);
}

Tensor Decoder::logits(Context& ctx, const Tensor& hidden) const {
  return ops::linear(ctx, ops::linear_input(ctx, hidden, head_), head_, DType::f32);
}

ops::CrossEntropyResult Decoder::loss(Context& ctx, const Tensor& hidden,
                                      std::span<const int32_t> targets,
                                      std::span<const float> weights) const {
  return ops::linear_cross_entropy(ctx, hidden, head_, targets, weights);
}

nn::ForwardInput packed_input(std::vector<int32_t> tokens, std::span<const int64_t> starts) {
  const auto count = static_cast<int64_t>(tokens.size());
  auto positions = std::make_shared<std::vector<int32_t>>(tokens.size());
  auto segments = std::make_shared<std::vector<ops::AttentionSegment>>();
  for (size_t s = 0; s < starts.size(); ++s) {
    const int64_t begin = starts[s];
    const int64_t end = s + 1 < starts.size() ? starts[s + 1] : count;
    CADRE_CHECK(begin >= 0 && begin <= end && end <= count);
    for (int64_t i = begin; i < end; ++i) {
      (*positions)[static_cast<size_t>(i)] = static_cast<int32_t>(i - begin);
    }
    if (begin < end) segments->push_back({begin, end - begin, begin, end - begin});
  }
  nn::ForwardInput input;
  input.tokens = std::make_shared<const std::vector<int32_t>>(std::move(tokens));
  input.positions = std::move(positions);
  input.segments = std::move(segments);
  return input;
}

}  // namespace cadre::model
