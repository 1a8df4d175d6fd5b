#include "train/pretrain/router_config.h"

#include <variant>

#include "core/base/error.h"

namespace cadre::train {
namespace {

constexpr double kUsualBiasRate = 0.001;

// A named setting over `value`; "default" leaves it.
template <typename Value, size_t kCount>
void set_named(const ops::Named<Value> (&names)[kCount], const std::string& name, Value& value) {
  if (const auto found = ops::value_of(names, name)) value = *found;
}

void set_weights(const RouterConfig& config, ops::RouterSpec& spec) {
  set_named(ops::kScoringNames, config.scoring, spec.scoring);
  if (config.renormalise != "default") {
    spec.renormalise = config.renormalise == "chosen";
    spec.renormalise_kept = config.renormalise == "kept";
  }
  if (config.scale > 0.0) spec.scale = config.scale;
}

void set_noise(const RouterConfig& config, ops::RouterSpec& spec) {
  if (config.jitter >= 0.0) spec.jitter_noise = config.jitter;
  set_named(ops::kLogitNoiseNames, config.noise, spec.noise);
}

void set_capacity(const RouterConfig& config, ops::Capacity& capacity) {
  if (config.capacity_factor >= 0.0) capacity.train_factor = config.capacity_factor;
  if (config.eval_capacity_factor >= 0.0) capacity.eval_factor = config.eval_capacity_factor;
  if (config.min_capacity >= 0) capacity.minimum = config.min_capacity;
  set_named(ops::kPriorityNames, config.priority, capacity.priority);
}

void set_token_choice(const RouterConfig& config, ops::TokenChoice& choice) {
  set_named(ops::kSecondExpertNames, config.second_expert, choice.second);
  if (config.second_threshold >= 0.0) choice.second_threshold = config.second_threshold;
  if (config.num_groups > 0) choice.groups.num_groups = config.num_groups;
  // All groups unless the configuration limits them.
  if (config.num_groups > 0 && config.top_groups == 0) choice.groups.top_groups = config.num_groups;
  if (config.top_groups > 0) choice.groups.top_groups = config.top_groups;
  if (config.bias_update_rate > 0.0) choice.selection_bias = true;
}

void refuse_token_settings(const RouterConfig& config) {
  if (config.second_expert != "default" || config.second_threshold >= 0.0 ||
      config.num_groups > 0 || config.top_groups > 0 || config.bias_update_rate > 0.0) {
    fail(ErrorKind::invalid_input,
         "router: second_expert, groups and bias_update_rate are of routers in which tokens choose "
         "experts, but kind = \"{}\" lets experts choose",
         config.kind);
  }
}

}  // namespace

model::RouterSpec make_router(const RouterConfig& config, const model::RouterSpec& own) {
  model::RouterSpec spec = own;
  if (config.kind != "default") {
    spec = ops::router_of_kind(config.kind, own.num_experts, own.top_k);
  }
  if (config.top_k > 0) spec.top_k = config.top_k;
  set_weights(config, spec);
  set_noise(config, spec);
  set_capacity(config, spec.capacity);
  if (auto* choice = std::get_if<ops::TokenChoice>(&spec.choice)) {
    set_token_choice(config, *choice);
    if (config.choose_within != "default") {
      fail(ErrorKind::invalid_input,
           "router: choose_within = \"{}\" is of routers in which experts choose tokens "
           "(kind = \"expert_choice\")",
           config.choose_within);
    }
  } else {
    refuse_token_settings(config);
    if (config.choose_within != "default") {
      std::get<ops::ExpertChoice>(spec.choice).over_batch = config.choose_within == "batch";
    }
  }
  ops::validate(spec, "router");
  return spec;
}

void apply_router(const RouterConfig& config, model::ModelSpec& spec) {
  for (model::BlockSpec& block : spec.blocks) {
    auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward);
    if (moe != nullptr) moe->router = make_router(config, moe->router);
  }
}

double bias_update_rate(const RouterConfig& config, const model::ModelSpec& spec) {
  for (const model::BlockSpec& block : spec.blocks) {
    const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward);
    if (moe == nullptr) continue;
    const auto* choice = std::get_if<ops::TokenChoice>(&moe->router.choice);
    if (choice == nullptr || !choice->selection_bias) return 0.0;
    return config.bias_update_rate >= 0.0 ? config.bias_update_rate : kUsualBiasRate;
  }
  return 0.0;
}

}  // namespace cadre::train
