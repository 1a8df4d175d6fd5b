#include "core/ops/route.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/ops/capacity.h"
#include "core/ops/check.h"
#include "core/ops/expert_choice.h"
#include "core/ops/router_random.h"
#include "core/ops/routing_weights.h"
#include "core/ops/token_choice.h"

namespace cadre::ops {
namespace {

// The differentiable part of a pass.
struct Pass {
  RouterSpec spec;
  Tensor logits;         // [N, E]
  Tensor scores;         // [N, E]; of softmax the probabilities
  Tensor probabilities;  // [N, E]
  Tensor lse;            // [N]
  Tensor wanted;         // [N, k]
  Tensor experts;        // [N, k]; often the same as wanted

  int64_t count() const { return experts.dim(1); }
  RoutedToken token(int64_t n) const {
    return {.scores = scores.data<float>() + n * spec.num_experts,
            .logits = logits.data<float>() + n * spec.num_experts,
            .wanted = wanted.data<int32_t>() + n * count(),
            .experts = experts.data<int32_t>() + n * count(),
            .count = count()};
  }
};

void compute_scores(Context& ctx, Pass& pass) {
  const int64_t num_tokens = pass.logits.dim(0);
  const int64_t num_experts = pass.spec.num_experts;
  pass.probabilities = ctx.empty_like(pass.logits);
  pass.lse = ctx.empty({num_tokens}, DType::f32);
  const bool sigmoid = pass.spec.scoring == Scoring::sigmoid;
  pass.scores = sigmoid ? ctx.empty_like(pass.logits) : pass.probabilities;
  const kernels::SoftmaxArgs softmax = {.z = pass.logits.data<float>(),
                                        .p = pass.probabilities.data<float>(),
                                        .lse = pass.lse.data<float>(),
                                        .width = num_experts};
  ctx.for_rows(num_tokens, 16 * num_experts, [&](Range tokens) {
    ctx.kernels().softmax(softmax, tokens);
    if (!sigmoid) return;
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      const float* z = pass.logits.data<float>() + n * num_experts;
      float* s = pass.scores.data<float>() + n * num_experts;
      float* p = pass.probabilities.data<float>() + n * num_experts;
      float sum = 0;
      for (int64_t e = 0; e < num_experts; ++e) sum += s[e] = 1.0f / (1.0f + std::exp(-z[e]));
      for (int64_t e = 0; e < num_experts; ++e) p[e] = s[e] / sum;
    }
  });
}

// Real tokens in the order in which they are served.
std::vector<int32_t> service_order(const Pass& pass, const RouteInput& input,
                                   const RouterRandom& random) {
  const int64_t num_tokens = pass.logits.dim(0);
  const Priority priority = pass.spec.capacity.priority;
  std::vector<int32_t> order;
  for (int64_t n = 0; n < num_tokens; ++n) {
    if (is_real(input.mask, n)) order.push_back(static_cast<int32_t>(n));
  }
  if (priority == Priority::score) {
    std::vector<float> best(static_cast<size_t>(num_tokens));
    for (int64_t n = 0; n < num_tokens; ++n) {
      const float* p = pass.scores.data<float>() + n * pass.spec.num_experts;
      const float largest = *std::max_element(p, p + pass.spec.num_experts);
      best[static_cast<size_t>(n)] =
          std::isnan(largest) ? -std::numeric_limits<float>::infinity() : largest;
    }
    std::ranges::stable_sort(order, std::greater<>(),
                             [&](int32_t n) { return best[static_cast<size_t>(n)]; });
  } else if (priority == Priority::random && input.training) {
    std::ranges::stable_sort(order, std::greater<>(), [&](int32_t n) { return random.order(n); });
  }
  return order;
}

void choose(Context& ctx, const RouteInput& input, Pass& pass) {
  const RouterSpec& spec = pass.spec;
  const int64_t num_tokens = pass.logits.dim(0);
  if (const auto* choice = std::get_if<ExpertChoice>(&spec.choice)) {
    const Range all = {0, num_tokens};
    pass.experts = choose_tokens(
        ctx, pass.scores, spec.top_k,
        choice->over_batch ? std::span<const Range>(&all, 1) : input.sequences, input.mask);
    pass.wanted = pass.experts;
    return;
  }
  const RouterRandom random(input.seed, static_cast<uint64_t>(input.layer));
  pass.wanted = choose_experts(ctx, spec,
                               {.logits = pass.logits,
                                .scores = pass.scores,
                                .bias = input.bias,
                                .training = input.training},
                               random);
  const auto& choice = std::get<TokenChoice>(spec.choice);
  const double factor = capacity_factor(spec, input.training, input.decoding);
  pass.experts = pass.wanted;
  if (factor == 0.0 && choice.second == SecondExpert::always) return;
  pass.experts = ctx.empty_like(pass.wanted);
  if (factor > 0.0) {
    const std::vector<int32_t> order = service_order(pass, input, random);
    const int64_t room = expert_capacity(spec, factor, std::ssize(order));
    fill_queues(spec, room, order, pass.wanted.span<int32_t>(), pass.experts.span<int32_t>());
    return;
  }
  std::ranges::transform(pass.wanted.span<int32_t>(), pass.experts.data<int32_t>(),
                         [](int32_t e) { return std::max(e, -1); });
}

void route_backward(Context& ctx, const Pass& pass, const TokenMask& mask,
                    const RouterGradient* auxiliary, const Tensor& dweights,
                    const Gradient& dlogits) {
  const int64_t num_experts = pass.spec.num_experts;
  ctx.for_rows(pass.logits.dim(0), 16 * num_experts, [&](Range tokens) {
    std::vector<double> scratch(static_cast<size_t>(num_experts));
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      const TokenGradient gradient = {
          .probabilities = pass.probabilities.data<float>() + n * num_experts,
          .dweights = dweights.data<float>() + n * pass.count(),
          .lse = pass.lse.data<float>()[n],
          .auxiliary = is_real(mask, n) ? auxiliary : nullptr};
      token_weights_backward(
          pass.spec, pass.token(n), gradient, scratch.data(),
          {dlogits.value.data<float>() + n * num_experts, static_cast<size_t>(num_experts)},
          dlogits.accumulate);
    }
  });
}

void check_input(const Tensor& logits, const RouterSpec& spec, const RouteInput& input) {
  expect_rank(logits, 2, "route: logits");
  expect_dtype(logits, DType::f32, "route: logits");
  expect_shape(logits, {logits.dim(0), spec.num_experts}, "route: logits");
  if (logits.dim(0) > std::numeric_limits<int32_t>::max()) {
    fail(ErrorKind::unsupported, "route: {} tokens, expected fewer than 2^31", logits.dim(0));
  }
  if (input.mask != nullptr && std::ssize(*input.mask) != logits.dim(0)) {
    fail(ErrorKind::invalid_input, "route: the mask has {} tokens, expected {}", input.mask->size(),
         logits.dim(0));
  }
  if (!can_decode(spec) && input.decoding) {
    fail(ErrorKind::unsupported,
         "experts of this model choose their tokens among all of a sequence, those to come "
         "included, so it cannot write text token by token");
  }
  const auto* choice = std::get_if<TokenChoice>(&spec.choice);
  CADRE_CHECK(input.bias.defined() == (choice != nullptr && choice->selection_bias));
  if (input.bias.defined()) expect_shape(input.bias, {spec.num_experts}, "route: bias");
  for (const Range& sequence : input.sequences) {
    CADRE_CHECK(sequence.begin >= 0 && sequence.begin <= sequence.end &&
                sequence.end <= logits.dim(0));
  }
}

}  // namespace

Routing route(Context& ctx, const Tensor& logits, const RouterSpec& spec, const RouteInput& input) {
  if (is_plain(spec, input.training, input.decoding)) {
    return softmax_top_k(ctx, logits,
                         {.top_k = spec.top_k,
                          .renormalise = spec.renormalise || spec.renormalise_kept,
                          .statistics = input.statistics},
                         input.mask, input.gradient);
  }
  check_input(logits, spec, input);
  Pass pass = {.spec = spec,
               .logits = logits,
               .scores = {},
               .probabilities = {},
               .lse = {},
               .wanted = {},
               .experts = {}};
  compute_scores(ctx, pass);
  choose(ctx, input, pass);
  Routing routing = {.probabilities = pass.probabilities,
                     .experts = pass.experts,
                     .weights = ctx.empty({logits.dim(0), pass.count()}, DType::f32),
                     .statistics = {}};
  ctx.for_rows(logits.dim(0), 16 * pass.count(), [&](Range tokens) {
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      token_weights(spec, pass.token(n), routing.weights.data<float>() + n * pass.count());
    }
  });
  const bool noisy = spec.noise == LogitNoise::gaussian && input.training;
  const RoutedTokens routed = {.logits = logits.data<float>(),
                               .probabilities = pass.probabilities.data<float>(),
                               .lse = pass.lse.data<float>(),
                               .wanted = pass.wanted.data<int32_t>(),
                               .experts = pass.experts.data<int32_t>(),
                               .num_tokens = logits.dim(0),
                               .num_experts = spec.num_experts,
                               .top_k = pass.count(),
                               .softmax = spec.scoring != Scoring::sigmoid,
                               .first_is_best = can_decode(spec),
                               .importance = noisy ? routing.weights.data<float>() : nullptr};
  if (input.statistics) routing.statistics = collect_statistics(ctx, routed, input.mask);
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(logits)) {
    tape->record(routing.weights, [=, mask = input.mask, auxiliary = input.gradient](
                                      Context& c, const Tensor& dy) {
      route_backward(c, pass, mask, auxiliary.get(), dy, tape->gradient(c, pass.logits));
    });
  }
  return routing;
}

}  // namespace cadre::ops
