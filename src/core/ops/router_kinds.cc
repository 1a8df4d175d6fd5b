#include "core/ops/router_kinds.h"

#include "core/base/error.h"
#include "core/base/fields.h"

namespace cadre::ops {
namespace {

// Each changes the plain router into one of a paper.
struct Kind {
  std::string_view name;
  void (*make)(RouterSpec& spec);
};

void make_noisy_top_k(RouterSpec& spec) {
  spec.scoring = Scoring::softmax_of_chosen;
  spec.noise = LogitNoise::gaussian;
}

// 2 g > u, u uniform, uses the second expert with probability min(1, g / 0.5).
void make_gshard(RouterSpec& spec) {
  spec.top_k = 2;
  spec.renormalise = true;
  spec.choice = TokenChoice{.second = SecondExpert::random, .second_threshold = 0.5};
  spec.capacity = {.train_factor = 1.0, .rejected_take_place = true};
}

void make_switch(RouterSpec& spec) {
  spec.top_k = 1;
  spec.capacity = {.train_factor = 1.25};
  spec.jitter_noise = 0.01;
}

void make_deepspeed_top_1(RouterSpec& spec) {
  spec.top_k = 1;
  spec.capacity = {
      .train_factor = 1.0, .minimum = 4, .rounds_up = true, .priority = Priority::random};
}

void make_deepspeed_top_2(RouterSpec& spec) {
  spec.top_k = 2;
  spec.renormalise_kept = true;
  spec.capacity = {.train_factor = 1.0, .minimum = 4, .rounds_up = true};
  spec.noise = LogitNoise::gumbel_second;
}

void make_st_moe(RouterSpec& spec) {
  spec.top_k = 2;
  spec.renormalise = true;
  spec.choice = TokenChoice{.second = SecondExpert::threshold, .second_threshold = 0.2};
  spec.capacity = {.train_factor = 1.25, .eval_factor = 2.0, .priority = Priority::score};
}

void make_megablocks(RouterSpec& spec) { spec.capacity = {.train_factor = 1.0, .by_token = true}; }

void make_attention(RouterSpec& spec) {
  spec.kind = RouterKind::attention;
  spec.renormalise = true;
}

void make_deepseek_v3(RouterSpec& spec) {
  spec.scoring = Scoring::sigmoid;
  spec.renormalise = true;
  spec.choice = TokenChoice{.selection_bias = true};
  spec.scale = 2.5;
}

constexpr Kind kKinds[] = {
    {"top_k", [](RouterSpec&) {}},
    {"noisy_top_k", make_noisy_top_k},
    {"gshard", make_gshard},
    {"switch", make_switch},
    {"deepspeed_top_1", make_deepspeed_top_1},
    {"deepspeed_top_2", make_deepspeed_top_2},
    {"st_moe", make_st_moe},
    {"megablocks", make_megablocks},
    {"expert_choice", [](RouterSpec& spec) { spec.choice = ExpertChoice{}; }},
    {"attention", make_attention},
    {"deepseek_v3", make_deepseek_v3},
};

}  // namespace

std::vector<std::string> router_kinds() {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) names.emplace_back(kind.name);
  return names;
}

RouterSpec router_of_kind(std::string_view kind, int64_t num_experts, int64_t top_k) {
  for (const Kind& known : kKinds) {
    if (kind != known.name) continue;
    RouterSpec spec = {.num_experts = num_experts, .top_k = top_k};
    known.make(spec);
    return spec;
  }
  fail(ErrorKind::invalid_input, "unknown kind of router \"{}\"; did you mean \"{}\"?", kind,
       nearest_name(kind, router_kinds()));
}

}  // namespace cadre::ops
