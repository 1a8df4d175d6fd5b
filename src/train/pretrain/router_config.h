// [router] of a training configuration: the router of every mixture layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/fields.h"
#include "core/ops/router_kinds.h"
#include "core/ops/router_names.h"
#include "model/spec.h"

namespace cadre::train {

// A published router by name, and changes to it. What is left at its default is as the kind has it;
// core/ops/router_spec.h explains the terms and docs/routers.md the kinds.
struct RouterConfig {
  std::string kind = "default";
  int64_t top_k = 0;
  std::string scoring = "default";
  std::string renormalise = "default";
  double scale = 0.0;
  double jitter = -1.0;
  std::string noise = "default";
  double capacity_factor = -1.0;
  double eval_capacity_factor = -1.0;
  int64_t min_capacity = -1;
  std::string priority = "default";
  std::string second_expert = "default";
  double second_threshold = -1.0;
  int64_t num_groups = 0;
  int64_t top_groups = 0;
  double bias_update_rate = -1.0;
  std::string choose_within = "default";

  void visit_fields(auto&& field) {
    const Interval factor{-1.0, 1e6};
    std::vector<std::string> kinds = ops::router_kinds();
    kinds.insert(kinds.begin(), "default");
    field("kind", kind, Choices{kinds},
          "published router; default is the one of the model, top_k for a new one");
    field("top_k", top_k, Interval{0, 65536}, "experts for each token; 0 as the kind or the model");
    field("scoring", scoring, Choices{ops::names_of(ops::kScoringNames, "default")},
          "scores from logits");
    field(
        "renormalise", renormalise, Choices{{"default", "none", "chosen", "kept"}},
        "divide weights by their sum over the chosen experts, or over those that were not dropped");
    field("scale", scale, Interval{0.0, 1e6}, "factor of all weights; 0 as the kind");
    field("jitter", jitter, Interval{-1.0, 0.999},
          "in training the router sees x * u, u within 1 +- this; -1 as the kind");
    field("noise", noise, Choices{ops::names_of(ops::kLogitNoiseNames, "default")},
          "on logits, in training");
    field("capacity_factor", capacity_factor, factor,
          "room of an expert, as a multiple of an even share; 0 drops nothing; -1 as the kind");
    field("eval_capacity_factor", eval_capacity_factor, factor, "the same in evaluation");
    field("min_capacity", min_capacity, Interval{-1, 1e12},
          "an expert accepts at least so many tokens; -1 as the kind");
    field("priority", priority, Choices{ops::names_of(ops::kPriorityNames, "default")},
          "who is served first where an expert is full");
    field("second_expert", second_expert,
          Choices{ops::names_of(ops::kSecondExpertNames, "default")},
          "when a token uses the experts after its first");
    field("second_threshold", second_threshold, Interval{-1.0, 1.0},
          "the least share of the second expert; -1 as the kind");
    field("num_groups", num_groups, Interval{0, 65536}, "groups of experts; 0 as the kind");
    field("top_groups", top_groups, Interval{0, 65536},
          "groups from which a token takes its experts; 0 as the kind");
    field("bias_update_rate", bias_update_rate, Interval{-1.0, 10.0},
          "step of the selection bias that balances load without a loss; -1 as the kind");
    field("choose_within", choose_within, Choices{{"default", "sequence", "batch"}},
          "where experts choose tokens: among which");
  }
};

// The router that the configuration makes of the model's own. Throws Error(invalid_input) for
// settings that contradict each other.
model::RouterSpec make_router(const RouterConfig& config, const model::RouterSpec& own);
// The same for every mixture layer of a model.
void apply_router(const RouterConfig& config, model::ModelSpec& spec);

// The rate of a router with a selection bias: 0.001 unless the configuration says otherwise
// (DeepSeek-V3); 0 for one without.
double bias_update_rate(const RouterConfig& config, const model::ModelSpec& spec);

}  // namespace cadre::train
