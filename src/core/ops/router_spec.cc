#include "core/ops/router_spec.h"

#include <cmath>
#include <string_view>

#include "core/base/error.h"

namespace cadre::ops {
namespace {

constexpr int64_t kMaxExperts = 1 << 16;
constexpr int64_t kMaxAttentionRouter = 1 << 12;  // which works on their square for each token

void check(const std::string& where, std::string_view field, int64_t value, int64_t low,
           int64_t high) {
  if (value < low || value > high) {
    fail(ErrorKind::invalid_input, "{}: {} = {}, expected {} to {}", where, field, value, low,
         high);
  }
}

void check(const std::string& where, std::string_view field, double value, double low,
           double high) {
  if (!(value >= low && value <= high)) {
    fail(ErrorKind::invalid_input, "{}: {} = {}, expected {} to {}", where, field, value, low,
         high);
  }
}

[[noreturn]] void contradict(const std::string& where, std::string_view text) {
  fail(ErrorKind::invalid_input, "{}: router: {}", where, text);
}

void check_token_choice(const RouterSpec& spec, const TokenChoice& choice,
                        const std::string& where) {
  const ExpertGroups& groups = choice.groups;
  check(where, "num_groups", groups.num_groups, 1, spec.num_experts);
  check(where, "top_groups", groups.top_groups, 1, groups.num_groups);
  if (spec.num_experts % groups.num_groups != 0) {
    fail(ErrorKind::invalid_input, "{}: num_experts = {} is not a multiple of num_groups = {}",
         where, spec.num_experts, groups.num_groups);
  }
  const int64_t group_size = spec.num_experts / groups.num_groups;
  check(where, "groups scored_by", groups.scored_by, 1, kMaxExperts);
  if (group_size * groups.top_groups < spec.top_k) {
    fail(ErrorKind::invalid_input,
         "{}: {} groups of {} experts, expected at least the {} of num_experts_per_tok", where,
         groups.top_groups, group_size, spec.top_k);
  }
  check(where, "second_threshold", choice.second_threshold, 0.0, 1.0);
  if (choice.second == SecondExpert::random && !(choice.second_threshold > 0.0)) {
    contradict(where, "a random second expert needs a second_threshold above 0");
  }
  const bool gumbel = spec.noise == LogitNoise::gumbel || spec.noise == LogitNoise::gumbel_second;
  if (gumbel && (choice.selection_bias || groups.top_groups < groups.num_groups)) {
    contradict(where, "Gumbel noise goes with neither a selection bias nor groups");
  }
  if (spec.scoring == Scoring::softmax_of_chosen && choice.selection_bias) {
    contradict(where,
               "a selection bias is added to scores, which softmax_of_chosen has only later");
  }
}

void check_expert_choice(const RouterSpec& spec, const std::string& where) {
  if (spec.scoring == Scoring::softmax_of_chosen) {
    contradict(where, "where experts choose tokens, scores come before the choice");
  }
  if (spec.capacity.train_factor > 0.0 || spec.capacity.eval_factor > 0.0) {
    contradict(where, "where experts choose tokens there is no capacity beside top_k * n / E");
  }
  if (spec.noise != LogitNoise::none) {
    contradict(where, "where experts choose tokens there is no noise on logits");
  }
}

}  // namespace

void validate(const RouterSpec& spec, const std::string& where) {
  check(where, "num_experts", spec.num_experts, int64_t{1}, kMaxExperts);
  check(where, "num_experts_per_tok", spec.top_k, int64_t{1}, spec.num_experts);
  if (spec.kind == RouterKind::attention) {
    check(where, "num_experts of an attention router", spec.num_experts, int64_t{1},
          kMaxAttentionRouter);
  }
  check(where, "capacity_factor", spec.capacity.train_factor, 0.0, 1e6);
  check(where, "eval_capacity_factor", spec.capacity.eval_factor, 0.0, 1e6);
  check(where, "min_capacity", spec.capacity.minimum, int64_t{0}, int64_t{1} << 40);
  check(where, "router_jitter_noise", spec.jitter_noise, 0.0, 0.999);
  if (!(spec.scale > 0.0 && std::isfinite(spec.scale))) {
    fail(ErrorKind::invalid_input, "{}: scale = {}, expected more than 0", where, spec.scale);
  }
  if (const auto* choice = std::get_if<TokenChoice>(&spec.choice)) {
    check_token_choice(spec, *choice, where);
  } else {
    check_expert_choice(spec, where);
  }
}

RouterSpec inference_view(const RouterSpec& spec) {
  RouterSpec view = spec;
  view.noise = LogitNoise::none;
  view.jitter_noise = 0.0;
  view.capacity.train_factor = 0.0;
  if (spec.scoring == Scoring::softmax_of_chosen) {
    view.scoring = Scoring::softmax;
    view.renormalise = true;
  }
  auto* choice = std::get_if<TokenChoice>(&view.choice);
  if (choice != nullptr && choice->second == SecondExpert::random) {
    choice->second = SecondExpert::always;
  }
  if (choice != nullptr && (choice->second == SecondExpert::always || view.top_k == 1)) {
    choice->second = SecondExpert::always;
    choice->second_threshold = 0.0;
    view.capacity.rejected_take_place = false;
  }
  if (choice != nullptr && choice->groups.top_groups == choice->groups.num_groups) {
    choice->groups = {};
  }
  if (view.capacity.priority == Priority::random) view.capacity.priority = Priority::position;
  if (view.capacity.eval_factor == 0.0) {
    view.capacity = {};
    if (choice == nullptr || choice->second == SecondExpert::always) {
      // Nothing is dropped, so what is left is what was chosen.
      view.renormalise = view.renormalise || view.renormalise_kept;
      view.renormalise_kept = false;
    }
  }
  return view;
}

bool can_decode(const RouterSpec& spec) { return std::holds_alternative<TokenChoice>(spec.choice); }

double capacity_factor(const RouterSpec& spec, bool training, bool decoding) {
  if (training) return spec.capacity.train_factor;
  return decoding ? 0.0 : spec.capacity.eval_factor;
}

bool is_plain(const RouterSpec& spec, bool training, bool decoding) {
  const auto* choice = std::get_if<TokenChoice>(&spec.choice);
  return choice != nullptr && !choice->selection_bias &&
         choice->groups.top_groups == choice->groups.num_groups &&
         choice->second == SecondExpert::always && spec.scoring == Scoring::softmax &&
         capacity_factor(spec, training, decoding) == 0.0 && spec.scale == 1.0 &&
         (!training || spec.noise == LogitNoise::none);
}

}  // namespace cadre::ops
