#include "core/ops/routing.h"

#include <algorithm>

#include "core/ops/check.h"

namespace cadre::ops {
namespace {

void renormalise(float* weights, int64_t top_k) {
  float sum = 0;
  for (int64_t j = 0; j < top_k; ++j) sum += weights[j];
  for (int64_t j = 0; j < top_k; ++j) weights[j] /= sum;
}

// What the derivative of one token's logits needs.
struct TokenGradient {
  const float* p;          // [E]
  const int32_t* experts;  // [k]
  const float* weights;    // [k]
  const float* dweights;   // [k]
  float lse;
  const RouterGradient* auxiliary;  // null for padding
};

// dlogits of one token; dp is room for [E].
void token_backward(const TokenGradient& token, const RoutingOptions& options, double* dp,
                    std::span<float> dlogits, bool accumulate) {
  const size_t num_experts = dlogits.size();
  const RouterGradient* auxiliary = token.auxiliary;
  if (auxiliary != nullptr && !auxiliary->probability_gradient.empty()) {
    std::copy_n(auxiliary->probability_gradient.begin(), num_experts, dp);
  } else {
    std::fill_n(dp, num_experts, 0.0);
  }
  // Without renormalisation w_j = p_j. With it w_j = p_j / s for s = sum_i p_i of the chosen, hence
  // dp_j = (dw_j - sum_i dw_i w_i) / s.
  double chosen = 1.0;
  double mean = 0.0;
  if (options.renormalise) {
    chosen = 0.0;
    for (int64_t j = 0; j < options.top_k; ++j) {
      chosen += token.p[token.experts[j]];
      mean += double{token.dweights[j]} * token.weights[j];
    }
  }
  for (int64_t j = 0; j < options.top_k; ++j) {
    dp[token.experts[j]] += (token.dweights[j] - mean) / chosen;
  }
  double inner = 0;
  for (size_t e = 0; e < num_experts; ++e) inner += token.p[e] * dp[e];
  const double z = auxiliary != nullptr ? 2.0 * auxiliary->z_gradient * token.lse : 0.0;
  for (size_t e = 0; e < num_experts; ++e) {
    const auto dz = static_cast<float>(token.p[e] * (dp[e] - inner + z));
    dlogits[e] = accumulate ? dlogits[e] + dz : dz;
  }
}

void routing_backward(Context& ctx, const Tensor& dweights, const Routing& routing,
                      const Tensor& lse, const RoutingOptions& options, const TokenMask& mask,
                      const RouterGradient* auxiliary, const Gradient& dlogits) {
  const int64_t num_experts = routing.probabilities.dim(1);
  const int64_t top_k = options.top_k;
  CADRE_CHECK(auxiliary == nullptr || auxiliary->probability_gradient.empty() ||
              static_cast<int64_t>(auxiliary->probability_gradient.size()) == num_experts);
  ctx.for_rows(routing.probabilities.dim(0), 16 * num_experts, [&](Range tokens) {
    std::vector<double> dp(static_cast<size_t>(num_experts));
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      const TokenGradient token = {.p = routing.probabilities.data<float>() + n * num_experts,
                                   .experts = routing.experts.data<int32_t>() + n * top_k,
                                   .weights = routing.weights.data<float>() + n * top_k,
                                   .dweights = dweights.data<float>() + n * top_k,
                                   .lse = lse.data<float>()[n],
                                   .auxiliary = is_real(mask, n) ? auxiliary : nullptr};
      token_backward(
          token, options, dp.data(),
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
  ctx.for_rows(num_tokens, 16 * num_experts, [&](Range tokens) {
    ctx.kernels().softmax(softmax, tokens);
    ctx.kernels().top_k(choice, tokens);
    if (!options.renormalise) return;
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      renormalise(routing.weights.data<float>() + n * top_k, top_k);
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
                    .weights = routing.weights,
                    .statistics = {}};
    tape->record(routing.weights, [=, logits = TensorKey(logits)](Context& c, const Tensor& dy) {
      routing_backward(c, dy, kept, lse, options, mask, gradient.get(), tape->gradient(c, logits));
    });
  }
  return routing;
}

}  // namespace cadre::ops
