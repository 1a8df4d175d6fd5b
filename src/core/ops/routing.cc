#include "core/ops/routing.h"

#include <vector>

#include "core/ops/check.h"
#include "core/ops/routing_weights.h"

namespace cadre::ops {
namespace {

// The plain router: no capacity, no bias, a softmax over all experts.
RouterSpec plain_router(const RoutingOptions& options) {
  return {.top_k = options.top_k, .renormalise = options.renormalise};
}

void routing_backward(Context& ctx, const Tensor& dweights, const Routing& routing,
                      const Tensor& lse, const RoutingOptions& options, const TokenMask& mask,
                      const RouterGradient* auxiliary, const Gradient& dlogits) {
  const RouterSpec spec = plain_router(options);
  const int64_t num_experts = routing.probabilities.dim(1);
  const int64_t top_k = options.top_k;
  CADRE_CHECK(auxiliary == nullptr || auxiliary->probability_gradient.empty() ||
              static_cast<int64_t>(auxiliary->probability_gradient.size()) == num_experts);
  ctx.for_rows(routing.probabilities.dim(0), 16 * num_experts, [&](Range tokens) {
    std::vector<double> scratch(static_cast<size_t>(num_experts));
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      const float* p = routing.probabilities.data<float>() + n * num_experts;
      const int32_t* experts = routing.experts.data<int32_t>() + n * top_k;
      const RoutedToken token = {
          .scores = p, .logits = nullptr, .wanted = experts, .experts = experts, .count = top_k};
      const TokenGradient gradient = {.probabilities = p,
                                      .dweights = dweights.data<float>() + n * top_k,
                                      .lse = lse.data<float>()[n],
                                      .auxiliary = is_real(mask, n) ? auxiliary : nullptr};
      token_weights_backward(
          spec, token, gradient, scratch.data(),
          {dlogits.value.data<float>() + n * num_experts, static_cast<size_t>(num_experts)},
          dlogits.accumulate);
    }
  });
}

}  // namespace

Routing softmax_top_k(Context& ctx, const Tensor& logits, const RoutingOptions& options,
                      const TokenMask& mask, std::shared_ptr<const RouterGradient> gradient) {
  expect_rank(logits, 2, "softmax_top_k: logits");
  expect_dtype(logits, DType::f32, "softmax_top_k: logits");
  const int64_t num_tokens = logits.dim(0);
  const int64_t num_experts = logits.dim(1);
  const int64_t top_k = options.top_k;
  if (top_k < 1 || top_k > num_experts) {
    fail(ErrorKind::invalid_input, "softmax_top_k: top_k is {}, expected 1 to {}", top_k,
         num_experts);
  }
  if (mask != nullptr && static_cast<int64_t>(mask->size()) != num_tokens) {
    fail(ErrorKind::invalid_input, "softmax_top_k: the mask has {} tokens, expected {}",
         mask->size(), num_tokens);
  }
  Routing routing = {.probabilities = ctx.empty_like(logits),
                     .experts = ctx.empty({num_tokens, top_k}, DType::i32),
                     .weights = ctx.empty({num_tokens, top_k}, DType::f32),
                     .statistics = {}};
  const Tensor lse = ctx.empty({num_tokens}, DType::f32);
  const kernels::SoftmaxArgs softmax = {.z = logits.data<float>(),
                                        .p = routing.probabilities.data<float>(),
                                        .lse = lse.data<float>(),
                                        .width = num_experts};
  const kernels::TopKArgs choice = {.scores = routing.probabilities.data<float>(),
                                    .num_experts = num_experts,
                                    .top_k = top_k,
                                    .experts = routing.experts.data<int32_t>(),
                                    .values = routing.weights.data<float>()};
  const RouterSpec spec = plain_router(options);
  ctx.for_rows(num_tokens, 16 * num_experts, [&](Range tokens) {
    ctx.kernels().softmax(softmax, tokens);
    ctx.kernels().top_k(choice, tokens);
    if (!options.renormalise) return;
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      const int32_t* experts = routing.experts.data<int32_t>() + n * top_k;
      token_weights(spec,
                    {.scores = routing.probabilities.data<float>() + n * num_experts,
                     .logits = nullptr,
                     .wanted = experts,
                     .experts = experts,
                     .count = top_k},
                    routing.weights.data<float>() + n * top_k);
    }
  });
  const RoutedTokens routed = {.logits = logits.data<float>(),
                               .probabilities = routing.probabilities.data<float>(),
                               .lse = lse.data<float>(),
                               .wanted = routing.experts.data<int32_t>(),
                               .experts = routing.experts.data<int32_t>(),
                               .num_tokens = num_tokens,
                               .num_experts = num_experts,
                               .top_k = top_k,
                               .softmax = true,
                               .first_is_best = true,
                               .importance = nullptr};
  if (options.statistics) routing.statistics = collect_statistics(ctx, routed, mask);
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(logits)) {
    Routing kept = {.probabilities = routing.probabilities,
                    .experts = routing.experts,
                    .weights = {},
                    .statistics = {}};
    tape->record(routing.weights, [=, logits = TensorKey(logits)](Context& c, const Tensor& dy) {
      routing_backward(c, dy, kept, lse, options, mask, gradient.get(), tape->gradient(c, logits));
    });
  }
  return routing;
}

}  // namespace cadre::ops
