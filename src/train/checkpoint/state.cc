#include "train/checkpoint/state.h"

#include <utility>

namespace cadre::train {
namespace {

constexpr int64_t kFormat = 1;

int64_t count(const io::JsonView& json, const char* key) {
  const int64_t value = json.integer(key);
  if (value < 0) json.at(key).fail_expected("0 or more");
  return value;
}

}  // namespace

std::string to_json_text(const RunState& state) {
  using io::JsonValue;
  JsonValue routers = JsonValue::array();
  for (const RouterSums& sums : state.routers) {
    JsonValue value = JsonValue::object();
    value.set("layer", sums.layer)
        .set("num_tokens", sums.num_tokens)
        .set("counts", sums.counts)
        .set("entropy_sum", sums.entropy_sum)
        .set("squared_lse_sum", sums.squared_lse_sum)
        .set("dropped", sums.dropped)
        .set("unrouted", sums.unrouted)
        .set("dead_warned", sums.dead_warned)
        .set("healthy_reports", sums.healthy_reports);
    routers.push(std::move(value));
  }
  JsonValue json = JsonValue::object();
  json.set("format", kFormat)
      .set("step", state.step)
      .set("total_steps", state.total_steps)
      .set("tokens", state.tokens)
      .set("optimizer_steps", state.optimizer_steps)
      .set("skipped_in_all", state.skipped_in_all)
      .set("skipped_in_a_row", state.skipped_in_a_row)
      .set("data_fingerprint", state.data_fingerprint)
      .set("kernels", state.kernels)
      .set("load_balancing", state.load_balancing)
      .set("seconds", state.seconds)
      .set("losses", state.losses)
      .set("gradient_norms", state.gradient_norms)
      .set("routers", std::move(routers));
  return json.pretty() + "\n";
}

RunState run_state_from_json(const io::JsonView& json) {
  if (json.integer("format") != kFormat) json.at("format").fail_expected("1");
  RunState state;
  state.step = count(json, "step");
  state.total_steps = count(json, "total_steps");
  state.tokens = count(json, "tokens");
  state.optimizer_steps = count(json, "optimizer_steps");
  state.skipped_in_all = count(json, "skipped_in_all");
  state.skipped_in_a_row = count(json, "skipped_in_a_row");
  state.data_fingerprint = json.string("data_fingerprint");
  state.kernels = json.string_or("kernels", "");
  state.load_balancing = json.string_or("load_balancing", "");
  state.seconds = json.number("seconds");
  state.losses = json.number_list("losses");
  state.gradient_norms = json.number_list("gradient_norms");
  const io::JsonView routers = json.array("routers");
  for (int64_t i = 0; i < routers.size(); ++i) {
    const io::JsonView from = routers.element(i);
    RouterSums sums;
    sums.layer = count(from, "layer");
    sums.num_tokens = count(from, "num_tokens");
    sums.counts = from.integer_list("counts");
    sums.entropy_sum = from.number("entropy_sum");
    sums.squared_lse_sum = from.number("squared_lse_sum");
    // Absent from checkpoints of before routers dropped anything.
    sums.dropped = from.is_null("dropped") ? 0 : count(from, "dropped");
    sums.unrouted = from.is_null("unrouted") ? 0 : count(from, "unrouted");
    sums.dead_warned = count(from, "dead_warned");
    sums.healthy_reports = count(from, "healthy_reports");
    state.routers.push_back(std::move(sums));
  }
  return state;
}

}  // namespace cadre::train
