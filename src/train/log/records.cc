#include "train/log/records.h"

#include <fmt/format.h>

#include <limits>

namespace cadre::train {
namespace {

using io::JsonValue;

JsonValue record(const char* event, int64_t step, double time) {
  JsonValue line = JsonValue::object();
  line.set("event", event).set("step", step).set("time", time);
  return line;
}

JsonValue source_value(const SourceLoss& source) {
  JsonValue value = JsonValue::object();
  value.set("name", source.name)
      .set("loss", source.loss)
      .set("bits_per_byte", source.bits_per_byte)
      .set("tokens", source.tokens)
      .set("bytes", source.bytes);
  if (!source.expert_counts.empty()) {
    // The middle layer shows specialisation best: early layers follow spelling, late ones the
    // next token (OLMoE, section 5).
    value.set("experts", source.expert_counts[source.expert_counts.size() / 2]);
  }
  return value;
}

}  // namespace

JsonValue start_record(double time, const StartReport& report) {
  JsonValue line = record("start", report.first_step, time);
  int64_t experts = 0;
  int64_t top_k = 0;
  for (const model::BlockSpec& block : report.spec.blocks) {
    if (const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward)) {
      experts = moe->router.num_experts;
      top_k = moe->router.top_k;
    }
  }
  return line.set("folder", report.folder)
      .set("total_steps", report.total_steps)
      .set("tokens_per_step", report.tokens_per_step)
      .set("total_parameters", report.total_parameters)
      .set("active_parameters", report.active_parameters)
      .set("flops_per_token", report.flops_per_token)
      .set("peak_flops", report.peak_flops)
      .set("hidden_size", report.spec.hidden_size)
      .set("num_layers", report.spec.num_layers())
      .set("num_experts", experts)
      .set("top_k", top_k)
      .set("vocab_size", report.spec.vocab_size)
      .set("sources", report.sources);
}

JsonValue plan_record(double time, int64_t step, int64_t total_steps) {
  return record("plan", step, time).set("total_steps", total_steps);
}

JsonValue step_record(double time, const StepReport& report) {
  return record("train", report.step, time)
      .set("loss", report.loss)
      .set("load_balancing", report.load_balancing)
      .set("z", report.z)
      .set("importance", report.importance)
      .set("load", report.load)
      .set("dropped_share", report.dropped_share)
      .set("learning_rate", report.learning_rate)
      .set("gradient_norm", report.gradient_norm)
      .set("skipped", report.skipped)
      .set("skipped_in_all", report.skipped_in_all)
      .set("tokens", report.tokens)
      .set("tokens_per_second", report.tokens_per_second)
      .set("peak_share", report.peak_share);
}

JsonValue routers_record(double time, const RouterReport& report) {
  JsonValue layers = JsonValue::array();
  for (const LayerLoad& load : report.layers) {
    JsonValue layer = JsonValue::object();
    layer.set("layer", load.layer)
        .set("load_entropy", load.load_entropy)
        .set("dead", load.dead)
        .set("max_over_mean", load.max_over_mean)
        .set("router_entropy", load.router_entropy)
        .set("z", load.z)
        .set("dropped_share", load.dropped_share)
        .set("unrouted_share", load.unrouted_share)
        .set("counts", load.counts);
    layers.push(std::move(layer));
  }
  return record("routers", report.step, time).set("layers", std::move(layers));
}

JsonValue validation_record(double time, const ValidationReport& report) {
  JsonValue sources = JsonValue::array();
  for (const SourceLoss& source : report.sources) sources.push(source_value(source));
  return record("validation", report.step, time)
      .set("loss", report.total.loss)
      .set("bits_per_byte", report.total.bits_per_byte)
      .set("sources", std::move(sources));
}

JsonValue sample_record(double time, int64_t step, const Sample& sample) {
  return record("sample", step, time).set("prompt", sample.prompt).set("text", sample.text);
}

JsonValue checkpoint_record(double time, const CheckpointReport& report) {
  return record("checkpoint", report.step, time)
      .set("folder", report.folder)
      .set("blocked_seconds", report.blocked_seconds)
      .set("in_background", report.in_background);
}

JsonValue warning_record(double time, int64_t step, const std::string& text) {
  return record("warning", step, time).set("text", text);
}

double number_of(const JsonValue& record, std::string_view key) {
  const JsonValue* value = record.find(key);
  if (value == nullptr) return 0.0;
  if (const auto* integer = value->get_if<int64_t>()) return static_cast<double>(*integer);
  if (const auto* number = value->get_if<double>()) return *number;
  return value->is_null() ? std::numeric_limits<double>::quiet_NaN() : 0.0;
}

int64_t integer_of(const JsonValue& record, std::string_view key) {
  const JsonValue* value = record.find(key);
  const auto* integer = value != nullptr ? value->get_if<int64_t>() : nullptr;
  return integer != nullptr ? *integer : 0;
}

std::string text_of(const JsonValue& record, std::string_view key) {
  const JsonValue* value = record.find(key);
  const auto* text = value != nullptr ? value->get_if<std::string>() : nullptr;
  return text != nullptr ? *text : std::string();
}

std::vector<std::pair<std::string, double>> scalars_of(const JsonValue& record) {
  std::vector<std::pair<std::string, double>> result;
  const auto take = [&](const JsonValue& from, const std::string& prefix,
                        std::initializer_list<const char*> keys) {
    for (const char* key : keys) result.emplace_back(prefix + key, number_of(from, key));
  };
  const auto elements = [&](const char* key) {
    const JsonValue* list = record.find(key);
    const auto* array = list != nullptr ? list->get_if<JsonValue::Array>() : nullptr;
    return array != nullptr ? *array : JsonValue::Array();
  };
  const std::string event = text_of(record, "event");
  if (event == "train") {
    take(record, "train/",
         {"loss", "load_balancing", "z", "importance", "load", "dropped_share", "learning_rate",
          "gradient_norm", "skipped_in_all", "tokens_per_second", "peak_share"});
  } else if (event == "validation") {
    take(record, "validation/", {"loss", "bits_per_byte"});
    for (const JsonValue& source : elements("sources")) {
      take(source, "validation/" + text_of(source, "name") + "/", {"loss", "bits_per_byte"});
    }
  } else if (event == "routers") {
    for (const JsonValue& layer : elements("layers")) {
      take(layer, fmt::format("router/{}/", integer_of(layer, "layer")),
           {"load_entropy", "dead", "max_over_mean", "router_entropy", "z", "dropped_share",
            "unrouted_share"});
    }
  }
  return result;
}

}  // namespace cadre::train
