#include "train/log/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "core/base/error.h"
#include "core/io/fields_io.h"
#include "core/io/toml.h"
#include "train/log/metrics_file.h"
#include "train/log/page.h"
#include "train/log/records.h"
#include "train/pretrain/config.h"
#include "train/pretrain/resume.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;
using io::JsonValue;

constexpr double kNone = RunSummary::kNone;

// The last component of the folder that is not empty, as in "runs/first/".
std::string name_of_folder(const fs::path& folder) {
  const fs::path clean = folder.lexically_normal();
  return (clean.has_filename() ? clean : clean.parent_path()).filename().string();
}

// The settings of a run that tell it from others: those that decide its weights.
std::map<std::string, std::string> settings_of(const fs::path& folder) {
  std::map<std::string, std::string> result;
  const fs::path file = folder / "config.toml";
  if (!fs::exists(file)) return result;
  TrainConfig config = read_config(file);
  for (const io::Field& field : io::list_fields(config)) {
    if (role_of_setting(field.name) == SettingRole::bystander) continue;
    result[field.name] = io::toml_text(io::field_value(field));
  }
  return result;
}

double mean_over_layers(const JsonValue::Array& layers, const char* key) {
  double sum = 0.0;
  for (const JsonValue& layer : layers) sum += number_of(layer, key);
  return sum / static_cast<double>(std::max<size_t>(1, layers.size()));
}

double tail_mean(const Curve& curve) {
  const size_t count = curve.values.size();
  if (count == 0) return kNone;
  const size_t from = count - std::max<size_t>(1, count / 10);
  double sum = 0.0;
  for (size_t i = from; i < count; ++i) sum += curve.values[i];
  return sum / static_cast<double>(count - from);
}

}  // namespace

Comparison::Comparison(const std::vector<fs::path>& folders) : curves_(folders.size()) {
  for (size_t i = 0; i < folders.size(); ++i) {
    const fs::path file = folders[i] / "metrics.jsonl";
    if (!fs::exists(file)) {
      fail(ErrorKind::not_found,
           "{}: there is no metrics.jsonl, expected a folder of `cadre train`",
           folders[i].string());
    }
    runs_.push_back({});
    runs_[i].name = name_of_folder(folders[i]);
    read_metrics(file, std::numeric_limits<int64_t>::max(),
                 [&](const JsonValue& record) { add_record(i, record); });
    runs_[i].training_loss = tail_mean(curves_[i]["loss"]);
  }
  read_settings(folders);
  group_runs();
}

void Comparison::add_record(size_t run, const JsonValue& record) {
  const std::string event = text_of(record, "event");
  const double step = number_of(record, "step");
  RunSummary& summary = runs_[run];
  auto& curves = curves_[run];
  if (event == "start") {
    summary.parameters = number_of(record, "total_parameters");
    summary.active_parameters = number_of(record, "active_parameters");
  } else if (event == "train") {
    summary.steps = integer_of(record, "step");
    summary.tokens = number_of(record, "tokens");
    for (const char* key : {"loss", "load_balancing", "dropped_share", "gradient_norm"}) {
      curves[key].add(step, number_of(record, key));
    }
  } else if (event == "validation") {
    summary.held_out_loss = number_of(record, "loss");
    summary.bits_per_byte = number_of(record, "bits_per_byte");
    curves["validation"].add(step, summary.held_out_loss);
  } else if (event == "routers") {
    const JsonValue* list = record.find("layers");
    const auto* layers = list != nullptr ? list->get_if<JsonValue::Array>() : nullptr;
    if (layers == nullptr || layers->empty()) return;
    summary.load_entropy = mean_over_layers(*layers, "load_entropy");
    summary.dropped_share = mean_over_layers(*layers, "dropped_share");
    summary.unrouted_share = mean_over_layers(*layers, "unrouted_share");
    summary.dead = mean_over_layers(*layers, "dead") * static_cast<double>(layers->size());
    curves["load_entropy"].add(step, summary.load_entropy);
    curves["unrouted_share"].add(step, summary.unrouted_share);
    curves["dead"].add(step, summary.dead);
  }
}

void Comparison::read_settings(const std::vector<fs::path>& folders) {
  std::vector<std::map<std::string, std::string>> all;
  for (const fs::path& folder : folders) all.push_back(settings_of(folder));
  std::set<std::string> differing;
  for (const auto& settings : all) {
    for (const auto& setting : settings) {
      const bool same = std::ranges::all_of(all, [&](const auto& other) {
        const auto found = other.find(setting.first);
        return found == other.end() || found->second == setting.second;
      });
      if (!same) differing.insert(setting.first);
    }
  }
  for (size_t i = 0; i < folders.size(); ++i) {
    std::string key;
    for (const std::string& name : differing) {
      if (!all[i].contains(name)) continue;
      const std::string text = fmt::format("{} = {}", name, all[i].at(name));
      runs_[i].settings += (runs_[i].settings.empty() ? "" : ", ") + text;
      if (name != "run.seed") key += (key.empty() ? "" : ", ") + text;
    }
    // A run without settings is like no other.
    keys_.push_back(all[i].empty() ? runs_[i].name : key);
  }
}

void Comparison::group_runs() {
  for (size_t i = 0; i < runs_.size(); ++i) {
    const auto same = std::ranges::find(groups_, keys_[i], &RunGroup::settings);
    if (same != groups_.end()) {
      same->runs.push_back(i);
    } else {
      groups_.push_back({.settings = keys_[i], .runs = {i}});
    }
  }
  for (RunGroup& group : groups_) {
    std::vector<double> losses;
    for (const size_t run : group.runs) {
      const double loss = runs_[run].held_out_loss;
      if (std::isfinite(loss)) losses.push_back(loss);
    }
    group.measured = std::ssize(losses);
    if (losses.empty()) {
      group.mean = group.low = group.high = group.deviation = kNone;
      continue;
    }
    const auto count = static_cast<double>(losses.size());
    for (const double loss : losses) group.mean += loss / count;
    group.low = *std::ranges::min_element(losses);
    group.high = *std::ranges::max_element(losses);
    double squares = 0.0;
    for (const double loss : losses) squares += (loss - group.mean) * (loss - group.mean);
    group.deviation = losses.size() > 1 ? std::sqrt(squares / (count - 1.0)) : 0.0;
  }
}

JsonValue Comparison::json() const {
  JsonValue runs = JsonValue::array();
  for (const RunSummary& run : runs_) {
    JsonValue value = JsonValue::object();
    value.set("name", run.name)
        .set("settings", run.settings)
        .set("steps", run.steps)
        .set("tokens", run.tokens)
        .set("parameters", run.parameters)
        .set("active_parameters", run.active_parameters)
        .set("training_loss", run.training_loss)
        .set("held_out_loss", run.held_out_loss)
        .set("bits_per_byte", run.bits_per_byte)
        .set("load_entropy", run.load_entropy)
        .set("dropped_share", run.dropped_share)
        .set("unrouted_share", run.unrouted_share)
        .set("dead", run.dead);
    runs.push(std::move(value));
  }
  JsonValue groups = JsonValue::array();
  for (const RunGroup& group : groups_) {
    JsonValue names = JsonValue::array();
    for (const size_t run : group.runs) names.push(runs_[run].name);
    JsonValue value = JsonValue::object();
    value.set("settings", group.settings)
        .set("runs", std::move(names))
        .set("measured", group.measured)
        .set("mean", group.mean)
        .set("low", group.low)
        .set("high", group.high)
        .set("deviation", group.deviation);
    groups.push(std::move(value));
  }
  JsonValue json = JsonValue::object();
  return json.set("runs", std::move(runs)).set("groups", std::move(groups));
}

std::string Comparison::html() const {
  JsonValue data = json();
  JsonValue curves = JsonValue::array();
  for (const auto& of_run : curves_) {
    JsonValue value = JsonValue::object();
    for (const auto& [name, curve] : of_run) value.set(name, curve.json());
    curves.push(std::move(value));
  }
  return fill_page(comparison_page(), data.set("curves", std::move(curves)));
}

}  // namespace cadre::train
