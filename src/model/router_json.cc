#include "model/router_json.h"

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/fields.h"
#include "core/ops/router_names.h"

namespace cadre::model {
namespace {

using io::JsonValue;
using io::JsonView;

template <typename Value, size_t kCount>
Value read_named(const JsonView& json, std::string_view key,
                 const ops::Named<Value> (&names)[kCount]) {
  const std::string name = json.string(key);
  const auto value = ops::value_of(names, name);
  if (!value) {
    fail(ErrorKind::corrupt_data, "{} = \"{}\"; did you mean \"{}\"?", json.at(key).where(), name,
         nearest_name(name, ops::names_of(names)));
  }
  return *value;
}

JsonValue choice_to_json(const RouterSpec& spec) {
  JsonValue json = JsonValue::object();
  if (const auto* experts = std::get_if<ops::ExpertChoice>(&spec.choice)) {
    return json.set("by", "experts").set("over_batch", experts->over_batch);
  }
  const auto& tokens = std::get<ops::TokenChoice>(spec.choice);
  return json.set("by", "tokens")
      .set("selection_bias", tokens.selection_bias)
      .set("num_groups", tokens.groups.num_groups)
      .set("top_groups", tokens.groups.top_groups)
      .set("groups_scored_by", tokens.groups.scored_by)
      .set("second_expert", ops::name_of(ops::kSecondExpertNames, tokens.second))
      .set("second_threshold", tokens.second_threshold);
}

void read_choice(const JsonView& json, RouterSpec& spec) {
  const std::string by = json.string("by");
  if (by == "experts") {
    json.expect_keys({"by", "over_batch"});
    spec.choice = ops::ExpertChoice{.over_batch = json.flag("over_batch")};
    return;
  }
  if (by != "tokens") json.at("by").fail_expected("\"tokens\" or \"experts\"");
  json.expect_keys({"by", "selection_bias", "num_groups", "top_groups", "groups_scored_by",
                    "second_expert", "second_threshold"});
  spec.choice =
      ops::TokenChoice{.selection_bias = json.flag("selection_bias"),
                       .groups = {.num_groups = json.integer("num_groups"),
                                  .top_groups = json.integer("top_groups"),
                                  .scored_by = json.integer("groups_scored_by")},
                       .second = read_named(json, "second_expert", ops::kSecondExpertNames),
                       .second_threshold = json.number("second_threshold")};
}

JsonValue capacity_to_json(const ops::Capacity& capacity) {
  JsonValue json = JsonValue::object();
  return json.set("train_factor", capacity.train_factor)
      .set("eval_factor", capacity.eval_factor)
      .set("minimum", capacity.minimum)
      .set("rounds_up", capacity.rounds_up)
      .set("priority", ops::name_of(ops::kPriorityNames, capacity.priority))
      .set("by_token", capacity.by_token)
      .set("rejected_take_place", capacity.rejected_take_place);
}

ops::Capacity read_capacity(const JsonView& json) {
  json.expect_keys({"train_factor", "eval_factor", "minimum", "rounds_up", "priority", "by_token",
                    "rejected_take_place"});
  return {.train_factor = json.number("train_factor"),
          .eval_factor = json.number("eval_factor"),
          .minimum = json.integer("minimum"),
          .rounds_up = json.flag("rounds_up"),
          .priority = read_named(json, "priority", ops::kPriorityNames),
          .by_token = json.flag("by_token"),
          .rejected_take_place = json.flag("rejected_take_place")};
}

// The router of the first mixture layer; null if there is none.
const RouterSpec* router_of(const ModelSpec& spec) {
  for (const BlockSpec& block : spec.blocks) {
    if (const auto* moe = std::get_if<MoeSpec>(&block.feed_forward)) return &moe->router;
  }
  return nullptr;
}

}  // namespace

JsonValue router_to_json(const RouterSpec& spec) {
  const char* sum = spec.renormalise_kept ? "kept" : spec.renormalise ? "chosen" : "none";
  JsonValue json = JsonValue::object();
  return json.set("num_experts", spec.num_experts)
      .set("top_k", spec.top_k)
      .set("logits", ops::name_of(ops::kRouterKindNames, spec.kind))
      .set("scoring", ops::name_of(ops::kScoringNames, spec.scoring))
      .set("renormalise", sum)
      .set("scale", spec.scale)
      .set("jitter", spec.jitter_noise)
      .set("noise", ops::name_of(ops::kLogitNoiseNames, spec.noise))
      .set("choice", choice_to_json(spec))
      .set("capacity", capacity_to_json(spec.capacity));
}

RouterSpec router_from_json(const JsonView& json) {
  json.expect_keys({"family", "num_experts", "top_k", "logits", "scoring", "renormalise", "scale",
                    "jitter", "noise", "choice", "capacity"});
  const std::string sum = json.string("renormalise");
  if (sum != "none" && sum != "chosen" && sum != "kept") {
    json.at("renormalise").fail_expected("\"none\", \"chosen\" or \"kept\"");
  }
  RouterSpec spec = {.num_experts = json.integer("num_experts"),
                     .top_k = json.integer("top_k"),
                     .renormalise = sum == "chosen",
                     .kind = read_named(json, "logits", ops::kRouterKindNames),
                     .jitter_noise = json.number("jitter"),
                     .renormalise_kept = sum == "kept",
                     .scoring = read_named(json, "scoring", ops::kScoringNames),
                     .capacity = read_capacity(json.object("capacity")),
                     .noise = read_named(json, "noise", ops::kLogitNoiseNames),
                     .scale = json.number("scale")};
  read_choice(json.object("choice"), spec);
  ops::validate(spec, json.where());
  return spec;
}

std::string router_family(const JsonView& config) {
  return config.is_null(kRouterKey) ? "" : config.object(kRouterKey).string("family");
}

void read_router(const JsonView& config, ModelSpec& spec) {
  if (config.is_null(kRouterKey)) return;
  const RouterSpec router = router_from_json(config.object(kRouterKey));
  for (BlockSpec& block : spec.blocks) {
    if (auto* moe = std::get_if<MoeSpec>(&block.feed_forward)) moe->router = router;
  }
}

bool same_in_inference(const ModelSpec& a, const ModelSpec& b) {
  const RouterSpec* left = router_of(a);
  const RouterSpec* right = router_of(b);
  if (left == nullptr || right == nullptr) return left == right;
  return ops::inference_view(*left) == ops::inference_view(*right);
}

ModelSpec inference_view(ModelSpec spec) {
  for (BlockSpec& block : spec.blocks) {
    if (auto* moe = std::get_if<MoeSpec>(&block.feed_forward)) {
      moe->router = ops::inference_view(moe->router);
    }
  }
  return spec;
}

void write_router(const ModelSpec& spec, const ModelSpec& read_back, JsonValue& config) {
  const RouterSpec* router = router_of(spec);
  const RouterSpec* plain = router_of(read_back);
  if (router == nullptr || plain == nullptr || *router == *plain) return;
  for (const BlockSpec& block : spec.blocks) {
    const auto* moe = std::get_if<MoeSpec>(&block.feed_forward);
    if (moe != nullptr && !(moe->router == *router)) {
      fail(ErrorKind::unsupported, "layers with different routers cannot be written");
    }
  }
  JsonValue json = router_to_json(*router);
  config.set(kRouterKey, std::move(json.set("family", spec.architecture)));
  if (same_in_inference(spec, read_back)) return;
  config.set("architectures", std::vector<std::string>{std::string(kOwnArchitecture)});
  config.set("model_type", kOwnModelType);
}

}  // namespace cadre::model
