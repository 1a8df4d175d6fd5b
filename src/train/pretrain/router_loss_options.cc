// What "auto" and -1 of [loss] stand for.
#include <algorithm>
#include <string_view>
#include <variant>

#include "core/base/error.h"
#include "model/families/family.h"
#include "train/pretrain/config.h"

namespace cadre::train {
namespace {

// The first router of the model, for all are alike; null if it has none.
const model::RouterSpec* router_of(const model::ModelSpec& spec) {
  for (const model::BlockSpec& block : spec.blocks) {
    const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward);
    if (moe != nullptr) return &moe->router;
  }
  return nullptr;
}

// Routers that keep an even load by other means, or were published without a loss.
bool has_no_loss(const model::RouterSpec& router) {
  const auto* choice = std::get_if<ops::TokenChoice>(&router.choice);
  return choice == nullptr || router.kind == model::RouterKind::attention ||
         router.noise == ops::LogitNoise::gaussian ||
         (router.scoring == ops::Scoring::sigmoid && choice->selection_bias);
}

// The form that a router was published with, as far as the router tells: "" if it is the plain
// top_k, which families were trained with in more than one way.
std::string form_of_router(const model::RouterSpec& router) {
  const auto& choice = std::get<ops::TokenChoice>(router.choice);
  const ops::Capacity& capacity = router.capacity;
  const bool deepspeed = router.noise != ops::LogitNoise::none ||
                         choice.second == ops::SecondExpert::threshold ||
                         capacity.priority != ops::Priority::position;
  if (deepspeed) return "deepspeed";
  if (choice.second == ops::SecondExpert::random) return "gshard";
  const bool drops = capacity.train_factor > 0.0 && !capacity.by_token;
  return router.top_k == 1 && (drops || router.jitter_noise > 0.0) ? "switch" : "";
}

// Of the family that [model] names, for an olmoe without norms of queries and keys is written as a
// Mixtral; of the stored model's with init_from.
std::string form_of_family(const TrainConfig& config, const model::ModelSpec& spec) {
  const bool built = config.model.init_from.empty();
  return std::string(
      model::find_family(built ? config.model.family : spec.architecture).load_balancing);
}

}  // namespace

std::string load_balancing_of_kind(const std::string& kind) {
  if (kind == "switch" || kind == "gshard") return kind;
  if (kind == "deepspeed_top_1" || kind == "deepspeed_top_2" || kind == "st_moe") {
    return "deepspeed";
  }
  const bool has_none = kind == "noisy_top_k" || kind == "expert_choice" || kind == "attention" ||
                        kind == "deepseek_v3";
  return has_none ? "none" : "megablocks";
}

std::string load_balancing_of(const TrainConfig& config, const model::ModelSpec& spec) {
  if (config.loss.load_balancing != "auto") return config.loss.load_balancing;
  const model::RouterSpec* router = router_of(spec);
  if (router == nullptr || has_no_loss(*router)) return "none";
  if (config.router.kind != "default") return load_balancing_of_kind(config.router.kind);
  const std::string form = form_of_router(*router);
  return form.empty() ? form_of_family(config, spec) : form;
}

model::RouterLossOptions router_loss_options(const TrainConfig& config,
                                             const model::ModelSpec& spec) {
  const bool noisy = std::ranges::any_of(spec.blocks, [](const model::BlockSpec& block) {
    const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward);
    return moe != nullptr && moe->router.noise == ops::LogitNoise::gaussian;
  });
  const LossConfig& loss = config.loss;
  if (!noisy && (loss.importance_weight > 0.0 || loss.load_weight > 0.0)) {
    fail(ErrorKind::invalid_input,
         "loss: importance_weight = {} and load_weight = {} are of routers with router.noise = "
         "\"gaussian\"",
         loss.importance_weight, loss.load_weight);
  }
  const auto weight = [&](double value) { return value >= 0.0 ? value : noisy ? 0.1 : 0.0; };
  return {.load_balancing = model::load_balancing_from_name(load_balancing_of(config, spec)),
          .load_balancing_weight = loss.load_balancing_weight,
          .z_weight = loss.z_weight,
          .z_divides_by_top_k = loss.z_divides_by_top_k,
          .importance_weight = weight(loss.importance_weight),
          .load_weight = weight(loss.load_weight)};
}

}  // namespace cadre::train
