#include "model/nn/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ops/attention_router.h"
#include "core/ops/elementwise.h"
#include "core/ops/jitter.h"
#include "core/ops/linear.h"
#include "core/ops/noisy_logits.h"
#include "core/ops/route.h"

namespace cadre::nn {
namespace {

// Where experts that choose within sequences find these.
std::vector<Range> sequences_of(const ForwardInput& input, int64_t num_tokens) {
  std::vector<Range> sequences;
  if (input.sequence_length > 0) {
    for (int64_t begin = 0; begin < num_tokens; begin += input.sequence_length) {
      sequences.push_back({begin, std::min(num_tokens, begin + input.sequence_length)});
    }
  } else if (input.segments != nullptr) {
    for (const ops::AttentionSegment& segment : *input.segments) {
      sequences.push_back({segment.query_begin, segment.query_begin + segment.num_queries});
    }
  } else {
    sequences.push_back({0, num_tokens});
  }
  return sequences;
}

}  // namespace

Router::Router(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters)
    : spec_(std::get<model::MoeSpec>(model.blocks[static_cast<size_t>(layer)].feed_forward).router),
      layer_(layer),
      weight_(parameters.tensor(fmt::format("blocks.{}.router", layer))) {
  if (spec_.noise == ops::LogitNoise::gaussian) {
    noise_ = parameters.tensor(fmt::format("blocks.{}.router_noise", layer));
  }
  const auto* choice = std::get_if<ops::TokenChoice>(&spec_.choice);
  if (choice != nullptr && choice->selection_bias) {
    bias_ = parameters.tensor(fmt::format("blocks.{}.router_bias", layer));
  }
}

Tensor Router::logits(Context& ctx, const Tensor& x, const ForwardInput& input,
                      const std::shared_ptr<const ops::RouterGradient>& gradient,
                      std::vector<double>& load) const {
  Tensor seen = ops::cast(ctx, x, DType::f32);
  if (ctx.recording() && spec_.jitter_noise > 0.0) {
    seen =
        ops::jitter(ctx, seen, static_cast<float>(spec_.jitter_noise), input.router_seed, layer_);
  }
  Tensor clean = ops::linear(ctx, seen, weight_, DType::f32);
  if (spec_.kind == model::RouterKind::attention) clean = ops::attention_router(ctx, clean);
  if (!ctx.recording() || !noise_.defined()) return clean;
  return ops::noisy_logits(ctx, clean, ops::linear(ctx, seen, noise_, DType::f32),
                           {.top_k = spec_.top_k, .seed = input.router_seed, .layer = layer_},
                           input.mask, gradient, load);
}

ops::Routing Router::forward(Context& ctx, const Tensor& x, const ForwardInput& input,
                             RouterTrace* trace) const {
  std::shared_ptr<ops::RouterGradient> gradient;
  if (trace != nullptr && ctx.recording()) {
    if (!trace->gradient) trace->gradient = std::make_shared<ops::RouterGradient>();
    gradient = trace->gradient;
  }
  std::vector<double> load;
  const Tensor z = logits(ctx, x, input, gradient, load);
  const bool changed = input.routing.changes();
  CADRE_CHECK(!changed || !ctx.recording());
  const model::RouterSpec spec = changed ? controlled(spec_, input.routing) : spec_;
  std::vector<Range> sequences;
  if (!ops::can_decode(spec_)) sequences = sequences_of(input, x.dim(0));
  ops::Routing routing = ops::route(ctx, z, spec,
                                    {.mask = input.mask,
                                     .bias = bias_,
                                     .training = ctx.recording(),
                                     .decoding = input.store != nullptr,
                                     .statistics = trace != nullptr,
                                     .seed = input.router_seed,
                                     .layer = layer_,
                                     .sequences = sequences,
                                     .gradient = gradient});
  apply_threshold(spec, input.routing.threshold, routing);
  routing.statistics.load = std::move(load);
  if (trace != nullptr) {
    trace->logits = z;
    trace->experts = routing.experts;
    trace->weights = routing.weights;
    trace->statistics = routing.statistics;
  }
  return routing;
}

}  // namespace cadre::nn
