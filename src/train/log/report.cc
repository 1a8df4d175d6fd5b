#include "train/log/report.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "train/log/page.h"
#include "train/log/records.h"

namespace cadre::train {
namespace {

using io::JsonValue;

constexpr size_t kMaxFrames = 120;
constexpr size_t kMaxSamples = 60;
constexpr size_t kMaxEvents = 500;

JsonValue::Array elements(const JsonValue& record, std::string_view key) {
  const JsonValue* list = record.find(key);
  const auto* array = list != nullptr ? list->get_if<JsonValue::Array>() : nullptr;
  return array != nullptr ? *array : JsonValue::Array();
}

// Three decimals are all that a picture shows.
double rounded(double value) { return std::round(value * 1000.0) / 1000.0; }

// Each expert's load as a multiple of the mean.
JsonValue relative_load(const JsonValue& counts) {
  JsonValue result = JsonValue::array();
  const auto* array = counts.get_if<JsonValue::Array>();
  if (array == nullptr) return result;
  double total = 0.0;
  for (const JsonValue& count : *array) {
    if (const auto* n = count.get_if<int64_t>()) total += static_cast<double>(*n);
  }
  for (const JsonValue& count : *array) {
    const auto* n = count.get_if<int64_t>();
    const double share = n != nullptr && total > 0.0 ? static_cast<double>(*n) / total : 0.0;
    result.push(rounded(share * static_cast<double>(array->size())));
  }
  return result;
}

}  // namespace

void Report::add_routers(const JsonValue& record) {
  const double step = number_of(record, "step");
  const JsonValue::Array layers = elements(record, "layers");
  double entropy = 0.0;
  double dead = 0.0;
  double largest = 0.0;
  for (const JsonValue& layer : layers) {
    entropy += number_of(layer, "load_entropy") / static_cast<double>(layers.size());
    dead += number_of(layer, "dead");
    largest = std::max(largest, number_of(layer, "max_over_mean"));
  }
  if (layers.empty()) return;
  curves_["load_entropy"].add(step, entropy);
  curves_["dead"].add(step, dead);
  curves_["max_over_mean"].add(step, largest);
  if (frames_seen_++ % frame_stride_ != 0) return;
  JsonValue loads = JsonValue::array();
  JsonValue names = JsonValue::array();
  for (const JsonValue& layer : layers) {
    names.push(integer_of(layer, "layer"));
    if (const JsonValue* counts = layer.find("counts")) loads.push(relative_load(*counts));
  }
  JsonValue frame = JsonValue::object();
  frame.set("step", step).set("layers", std::move(names)).set("loads", std::move(loads));
  frames_.push_back(std::move(frame));
  if (frames_.size() < kMaxFrames) return;
  for (size_t i = 0; i < kMaxFrames / 2; ++i) frames_[i] = std::move(frames_[2 * i]);
  frames_.resize(kMaxFrames / 2);
  frame_stride_ *= 2;
}

void Report::add_validation(const JsonValue& record) {
  const double step = number_of(record, "step");
  curves_["validation"].add(step, number_of(record, "loss"));
  curves_["validation_bpb"].add(step, number_of(record, "bits_per_byte"));
  JsonValue rows = JsonValue::array();
  for (const JsonValue& source : elements(record, "sources")) {
    const std::string name = text_of(source, "name");
    if (std::find(sources_.begin(), sources_.end(), name) == sources_.end()) {
      sources_.push_back(name);
    }
    curves_["loss:" + name].add(step, number_of(source, "loss"));
    curves_["bpb:" + name].add(step, number_of(source, "bits_per_byte"));
    const JsonValue* experts = source.find("experts");
    if (experts == nullptr) continue;
    JsonValue row = JsonValue::object();
    row.set("name", name).set("loads", relative_load(*experts));
    rows.push(std::move(row));
  }
  domains_ = JsonValue::object();
  domains_.set("step", step).set("rows", std::move(rows));
}

void Report::add(const JsonValue& record) {
  const std::string event = text_of(record, "event");
  const double step = number_of(record, "step");
  if (event == "start") {
    start_ = record;
  } else if (event == "plan") {
    start_.set("total_steps", number_of(record, "total_steps"));
  } else if (event == "train") {
    for (const char* key :
         {"loss", "learning_rate", "gradient_norm", "tokens_per_second", "peak_share",
          "load_balancing", "z", "importance", "load", "dropped_share"}) {
      curves_[key].add(step, number_of(record, key));
    }
  } else if (event == "routers") {
    add_routers(record);
  } else if (event == "validation") {
    add_validation(record);
  } else if (event == "sample") {
    samples_.push_back(record);
    if (samples_.size() > kMaxSamples) samples_.erase(samples_.begin());
  } else if (event == "warning") {
    events_.push_back(record);
    if (events_.size() > kMaxEvents) events_.erase(events_.begin());
  }
}

std::string Report::html() const {
  JsonValue curves = JsonValue::object();
  for (const auto& [name, curve] : curves_) curves.set(name, curve.json());
  JsonValue data = JsonValue::object();
  data.set("start", start_)
      .set("curves", std::move(curves))
      .set("sources", sources_)
      .set("frames", frames_)
      .set("domains", domains_)
      .set("samples", samples_)
      .set("warnings", events_);
  return fill_page(report_page(), data);
}

}  // namespace cadre::train
