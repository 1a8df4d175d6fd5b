#include "core/ops/routing_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ops/capacity.h"

namespace cadre::ops {
namespace {

constexpr float kLeastSum = std::numeric_limits<float>::epsilon();

// The expert of a choice whether it is left or not; -1 if there is none.
int32_t chosen_expert(int32_t wanted) { return wanted < -1 ? rejected(wanted) : wanted; }

bool renormalises(const RouterSpec& spec) {
  return spec.renormalise || spec.renormalise_kept || spec.scoring == Scoring::softmax_of_chosen;
}

// Whether choice j is in the sum that weights are divided by.
bool in_sum(const RouterSpec& spec, const RoutedToken& token, int64_t j) {
  if (spec.renormalise_kept) return token.experts[j] >= 0;
  return chosen_expert(token.wanted[j]) >= 0;
}

float largest_logit(const RoutedToken& token) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t j = 0; j < token.count; ++j) {
    const int32_t e = chosen_expert(token.wanted[j]);
    if (e >= 0) largest = std::max(largest, token.logits[e]);
  }
  return largest;
}

// The score of choice j before it is divided: for softmax_of_chosen exp(z - largest z).
float score(const RouterSpec& spec, const RoutedToken& token, int32_t e, float largest) {
  return spec.scoring == Scoring::softmax_of_chosen ? std::exp(token.logits[e] - largest)
                                                    : token.scores[e];
}

float divisor(const RouterSpec& spec, const RoutedToken& token, float largest) {
  if (!renormalises(spec)) return 1.0f;
  float sum = 0;
  for (int64_t j = 0; j < token.count; ++j) {
    if (in_sum(spec, token, j)) sum += score(spec, token, chosen_expert(token.wanted[j]), largest);
  }
  return spec.renormalise_kept ? std::max(sum, kLeastSum) : sum;
}

// Adds to ds[E] the derivative of the scores through the weights; for softmax_of_chosen that of the
// logits.
void add_weight_gradient(const RouterSpec& spec, const RoutedToken& token,
                         const TokenGradient& gradient, double* ds) {
  const bool later = spec.scoring == Scoring::softmax_of_chosen;
  const float largest = later ? largest_logit(token) : 0.0f;
  const double sum = divisor(spec, token, largest);
  const bool divides = renormalises(spec) && !(spec.renormalise_kept && sum <= kLeastSum);
  const auto dweight = [&](int64_t j) {
    if (token.experts[j] < 0) return 0.0;
    double d = gradient.dweights[j];
    if (gradient.auxiliary != nullptr && !gradient.auxiliary->importance_gradient.empty()) {
      d += gradient.auxiliary->importance_gradient[static_cast<size_t>(token.experts[j])];
    }
    return spec.scale * d;
  };
  // w_j = s_j / S for S = sum over R of s, hence ds_i = (dw_i - sum_j dw_j s_j / S) / S for i in R.
  double mean = 0.0;
  for (int64_t j = 0; divides && j < token.count; ++j) {
    if (token.experts[j] >= 0) {
      mean += dweight(j) * score(spec, token, token.experts[j], largest) / sum;
    }
  }
  for (int64_t j = 0; j < token.count; ++j) {
    const int32_t e = chosen_expert(token.wanted[j]);
    if (e < 0 || (renormalises(spec) && !in_sum(spec, token, j))) continue;
    const double d = (dweight(j) - mean) / sum;
    ds[e] += later ? d * score(spec, token, e, largest) : d;
  }
}

}  // namespace

void token_weights(const RouterSpec& spec, const RoutedToken& token, float* weights) {
  const bool later = spec.scoring == Scoring::softmax_of_chosen;
  const float largest = later ? largest_logit(token) : 0.0f;
  const float sum = divisor(spec, token, largest);
  const auto scale = static_cast<float>(spec.scale);
  for (int64_t j = 0; j < token.count; ++j) {
    weights[j] = 0.0f;
    if (token.experts[j] < 0) continue;
    weights[j] = score(spec, token, token.experts[j], largest) / sum * scale;
  }
}

void token_weights_backward(const RouterSpec& spec, const RoutedToken& token,
                            const TokenGradient& gradient, double* scratch,
                            std::span<float> dlogits, bool accumulate) {
  const size_t num_experts = dlogits.size();
  const float* p = gradient.probabilities;
  const RouterGradient* auxiliary = gradient.auxiliary;
  const bool balances = auxiliary != nullptr && !auxiliary->probability_gradient.empty();
  const double z = auxiliary != nullptr ? 2.0 * auxiliary->z_gradient * gradient.lse : 0.0;
  double* ds = scratch;
  std::fill_n(ds, num_experts, 0.0);
  if (spec.scoring != Scoring::softmax_of_chosen) add_weight_gradient(spec, token, gradient, ds);
  const auto put = [&](size_t e, double dz) {
    dlogits[e] = static_cast<float>(accumulate ? dlogits[e] + dz : dz);
  };
  if (spec.scoring == Scoring::sigmoid) {
    // p = s / sum s, dp_e/ds_i = ([e = i] - p_e) / sum s; dz = ds * s * (1 - s).
    double sum = 0.0;
    double inner = 0.0;
    for (size_t e = 0; e < num_experts; ++e) {
      sum += token.scores[e];
      if (balances) inner += double{p[e]} * auxiliary->probability_gradient[e];
    }
    for (size_t e = 0; e < num_experts; ++e) {
      if (balances) ds[e] += (auxiliary->probability_gradient[e] - inner) / sum;
      const double s = token.scores[e];
      const double softmax = z == 0.0 ? 0.0 : std::exp(double{token.logits[e]} - gradient.lse);
      put(e, ds[e] * s * (1.0 - s) + z * softmax);
    }
    return;
  }
  double inner = 0.0;
  for (size_t e = 0; e < num_experts; ++e) {
    if (balances) ds[e] += auxiliary->probability_gradient[e];
    inner += p[e] * ds[e];
  }
  // The softmax of the chosen has logits of its own to reach.
  for (size_t e = 0; e < num_experts; ++e) ds[e] = p[e] * (ds[e] - inner + z);
  if (spec.scoring == Scoring::softmax_of_chosen) add_weight_gradient(spec, token, gradient, ds);
  for (size_t e = 0; e < num_experts; ++e) put(e, ds[e]);
}

}  // namespace cadre::ops
