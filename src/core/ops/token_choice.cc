#include "core/ops/token_choice.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <span>

#include "core/ops/capacity.h"
#include "core/ops/routing_weights.h"

namespace cadre::ops {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kAlways = std::numeric_limits<float>::infinity();

// Room for what a choice works out on the way: num_experts of each.
struct ChoiceScratch {
  ChoiceScratch(std::byte* memory, int64_t num_experts)
      : scores(reinterpret_cast<float*>(memory), static_cast<size_t>(num_experts)),
        worth(scores.data() + num_experts, scores.size()),
        used(memory + 2 * num_experts * dtype_size(DType::f32), scores.size()) {}
  static int64_t bytes(int64_t num_experts) {
    return num_experts * (2 * dtype_size(DType::f32) + 1);
  }
  std::span<float> scores;
  std::span<float> worth;
  std::span<std::byte> used;
};

// What one group of experts is worth: the sum of its best scores.
float group_score(std::span<float> scores, int64_t scored_by) {
  const auto count =
      static_cast<std::ptrdiff_t>(std::min(scored_by, static_cast<int64_t>(scores.size())));
  std::partial_sort(scores.begin(), scores.begin() + count, scores.end(), std::greater<>());
  float sum = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i) sum += scores[static_cast<size_t>(i)];
  return sum;
}

// Leaves the scores of the top_groups best groups and sets the others to -inf.
void limit_groups(const ExpertGroups& groups, std::span<float> scores,
                  const ChoiceScratch& scratch) {
  const auto num_groups = static_cast<size_t>(groups.num_groups);
  const size_t size = scores.size() / num_groups;
  const std::span<float> worth = scratch.worth.first(num_groups);
  for (size_t g = 0; g < num_groups; ++g) {
    const std::span<float> group = scratch.scores.first(size);
    std::ranges::transform(scores.subspan(g * size, size), group.begin(),
                           [](float score) { return std::isnan(score) ? kNever : score; });
    worth[g] = group_score(group, groups.scored_by);
  }
  const std::span<std::byte> used = scratch.used.first(num_groups);
  std::ranges::fill(used, std::byte{0});
  for (int64_t chosen = 0; chosen < groups.top_groups; ++chosen) {
    size_t best = worth.size();
    for (size_t g = 0; g < worth.size(); ++g) {
      if (used[g] == std::byte{0} && (best == worth.size() || worth[g] > worth[best])) best = g;
    }
    used[best] = std::byte{1};
  }
  for (size_t e = 0; e < scores.size(); ++e) {
    if (used[e / size] == std::byte{0}) scores[e] = kNever;
  }
}

bool has_gumbel(const RouterSpec& spec, bool training) {
  return training && (spec.noise == LogitNoise::gumbel || spec.noise == LogitNoise::gumbel_second);
}

// What the choice of token n goes by, where that is not simply a row of scores or logits.
void selection_row(const RouterSpec& spec, const ChoiceInput& input, const RouterRandom& random,
                   int64_t n, std::span<float> row, const ChoiceScratch& scratch) {
  const int64_t num_experts = spec.num_experts;
  const float* scores = input.scores.data<float>() + n * num_experts;
  const float* logits = input.logits.data<float>() + n * num_experts;
  if (has_gumbel(spec, input.training)) {
    for (int64_t e = 0; e < num_experts; ++e) {
      row[static_cast<size_t>(e)] =
          logits[e] + static_cast<float>(random.gumbel(n * num_experts + e));
    }
    if (spec.noise == LogitNoise::gumbel_second) {
      row[static_cast<size_t>(std::max_element(scores, scores + num_experts) - scores)] = kAlways;
    }
    return;
  }
  const bool later = spec.scoring == Scoring::softmax_of_chosen;
  std::copy_n(later ? logits : scores, num_experts, row.begin());
  if (input.bias.defined()) {
    for (int64_t e = 0; e < num_experts; ++e) {
      row[static_cast<size_t>(e)] += input.bias.data<float>()[e];
    }
  }
  const ExpertGroups& groups = std::get<TokenChoice>(spec.choice).groups;
  if (groups.top_groups < groups.num_groups) limit_groups(groups, row, scratch);
}

// Turns down experts after the first whose share of the chosen scores is too small.
void apply_second_expert(const RouterSpec& spec, const ChoiceInput& input,
                         const RouterRandom& random, int64_t n, int32_t* chosen,
                         const ChoiceScratch& scratch) {
  const auto& choice = std::get<TokenChoice>(spec.choice);
  const std::span<float> share = scratch.scores.first(static_cast<size_t>(spec.top_k));
  RouterSpec shares = spec;
  shares.renormalise = true;
  shares.renormalise_kept = false;
  shares.scale = 1.0;
  token_weights(shares,
                {.scores = input.scores.data<float>() + n * spec.num_experts,
                 .logits = input.logits.data<float>() + n * spec.num_experts,
                 .wanted = chosen,
                 .experts = chosen,
                 .count = spec.top_k},
                share.data());
  for (int64_t j = 1; j < spec.top_k; ++j) {
    const double g = share[static_cast<size_t>(j)];
    const bool used = choice.second == SecondExpert::threshold
                          ? g > choice.second_threshold
                          : random.second(n * spec.top_k + j) < g / choice.second_threshold;
    if (!used) chosen[j] = rejected(chosen[j]);
  }
}

}  // namespace

Tensor choose_experts(Context& ctx, const RouterSpec& spec, const ChoiceInput& input,
                      const RouterRandom& random) {
  const auto& choice = std::get<TokenChoice>(spec.choice);
  const int64_t num_tokens = input.logits.dim(0);
  const bool own_selection = input.bias.defined() || has_gumbel(spec, input.training) ||
                             choice.groups.top_groups < choice.groups.num_groups;
  const bool later = spec.scoring == Scoring::softmax_of_chosen;
  const Tensor selection = own_selection ? ctx.empty_like(input.logits)
                           : later       ? input.logits
                                         : input.scores;
  const Tensor chosen = ctx.empty({num_tokens, spec.top_k}, DType::i32);
  const Tensor values = ctx.empty({num_tokens, spec.top_k}, DType::f32);
  const kernels::TopKArgs args = {.scores = selection.data<float>(),
                                  .num_experts = spec.num_experts,
                                  .top_k = spec.top_k,
                                  .experts = chosen.data<int32_t>(),
                                  .values = values.data<float>()};
  const bool turns_down = choice.second == SecondExpert::threshold ||
                          (choice.second == SecondExpert::random && input.training);
  const auto choose = [&](Range tokens, std::byte* memory) {
    const ChoiceScratch scratch(memory, spec.num_experts);
    if (own_selection) {
      for (int64_t n = tokens.begin; n < tokens.end; ++n) {
        selection_row(
            spec, input, random, n,
            {selection.data<float>() + n * spec.num_experts, static_cast<size_t>(spec.num_experts)},
            scratch);
      }
    }
    ctx.kernels().top_k(args, tokens);
    if (!turns_down) return;
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      apply_second_expert(spec, input, random, n, chosen.data<int32_t>() + n * spec.top_k, scratch);
    }
  };
  ctx.for_rows(num_tokens, 16 * spec.num_experts, ChoiceScratch::bytes(spec.num_experts), choose);
  return chosen;
}

}  // namespace cadre::ops
