#include "cli/quantise_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <variant>

#include "cli/human.h"
#include "cli/terminal.h"
#include "core/tensor/packed_matrix.h"

namespace cadre::cli {
namespace {

using quant::ExpertCoverage;
using quant::OutputTensor;
using quant::TensorGroup;

constexpr TensorGroup kGroups[] = {
    TensorGroup::embedding, TensorGroup::attention, TensorGroup::expert, TensorGroup::shared,
    TensorGroup::mlp,       TensorGroup::head,      TensorGroup::kept};

// The tensors of a group, added up.
struct GroupSum {
  int64_t tensors = 0;
  int64_t elements = 0;
  int64_t bytes = 0;
  quant::RoundingError error;
  std::map<std::string, int64_t> types;

  double bits() const { return 8.0 * static_cast<double>(bytes) / static_cast<double>(elements); }
  std::string formats() const {
    std::string text;
    for (const auto& [name, count] : types) {
      text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", name, count);
    }
    return text;
  }
};

GroupSum sum_of(const QuantiseReport& report, TensorGroup group) {
  GroupSum sum;
  int64_t counted = -1;  // gate and up are tensors of one parameter
  for (const OutputTensor& tensor : report.tensors) {
    if (tensor.group != group) continue;
    ++sum.tensors;
    sum.elements += tensor.shape.elements();
    sum.bytes += tensor.bytes();
    ++sum.types[tensor.format()];
    if (tensor.parameter == counted) continue;
    counted = tensor.parameter;
    // Each parameter counts by its relative error, whatever the size of its values.
    const double relative = report.errors[static_cast<size_t>(counted)].relative();
    sum.error += {relative * relative, 1.0};
  }
  return sum;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

void print_summary(const QuantiseReport& report) {
  print("{:<14} {:>7} {:>10} {:>12} {:>7}  {}\n", "part", "bits", "size", "weights", "error",
        "formats");
  for (const TensorGroup group : kGroups) {
    const GroupSum sum = sum_of(report, group);
    if (sum.tensors == 0) continue;
    print("{:<14} {:>7.3f} {:>10} {:>12} {:>6.2f}%  {}\n", quant::group_name(group), sum.bits(),
          human_bytes(static_cast<double>(sum.bytes)), grouped(sum.elements),
          100.0 * sum.error.relative(), sum.formats());
  }
  print("{}: {}, {} bytes, {} tensors of {}, {:.3f} bits a weight, in {}; read back and measured\n",
        report.output, report.format, grouped(report.file_bytes),
        grouped(static_cast<int64_t>(report.tensors.size())),
        human_bytes(static_cast<double>(report.bytes)), report.bits_per_weight,
        human_duration(report.seconds));
}

void print_coverage(const std::vector<ExpertCoverage>& coverage) {
  if (coverage.empty()) return;
  print("{:<14} {:>7} {:>10} {:>10} {:>10} {:>10}\n", "layer", "experts", "fewest", "median",
        "most", "unreached");
  for (const ExpertCoverage& layer : coverage) {
    print("{:<14} {:>7} {:>10.0f} {:>10.0f} {:>10.0f} {:>10}\n", layer.layer, layer.tokens.size(),
          *std::ranges::min_element(layer.tokens), median(layer.tokens),
          *std::ranges::max_element(layer.tokens), layer.unreached());
  }
}

void warn_of_unpacked(const std::vector<OutputTensor>& tensors) {
  std::map<std::string, int64_t> counts;
  for (const OutputTensor& tensor : tensors) {
    const auto* blocks = std::get_if<BlockType>(&tensor.type);
    const bool looked_up = tensor.group == TensorGroup::embedding;
    if (blocks == nullptr || looked_up || packed_format(*blocks)) continue;
    ++counts[tensor.format()];
  }
  for (const auto& [format, count] : counts) {
    print_error(fmt::format(
        "note: {} tensors are in {}, which takes little room in the file but is unpacked "
        "when the model is loaded; q4_0, q8_0, and for rows of a multiple of 256 q4_k, "
        "q5_k and q6_k, are computed with as they are",
        grouped(count), format));
  }
}

void warn_of_unreached(const std::vector<ExpertCoverage>& coverage) {
  int64_t unreached = 0;
  int64_t experts = 0;
  for (const ExpertCoverage& layer : coverage) {
    unreached += layer.unreached();
    experts += static_cast<int64_t>(layer.tokens.size());
  }
  if (unreached == 0) return;
  print_error(
      fmt::format("warning: no token of the calibration text reached {} of {} experts; they are "
                  "rounded with the mean importance of their layer: give a longer or a more varied "
                  "text",
                  grouped(unreached), grouped(experts)));
}

io::JsonValue as_json(const QuantiseReport& report) {
  io::JsonValue tensors = io::JsonValue::array();
  for (const OutputTensor& tensor : report.tensors) {
    io::JsonValue entry = io::JsonValue::object();
    entry.set("name", tensor.name)
        .set("group", quant::group_name(tensor.group))
        .set("format", tensor.format())
        .set("bytes", tensor.bytes())
        .set("error", report.errors[static_cast<size_t>(tensor.parameter)].relative());
    tensors.push(std::move(entry));
  }
  io::JsonValue layers = io::JsonValue::array();
  for (const ExpertCoverage& layer : report.coverage) {
    io::JsonValue entry = io::JsonValue::object();
    entry.set("layer", layer.layer)
        .set("unreached", layer.unreached())
        .set("tokens", io::JsonValue(layer.tokens));
    layers.push(std::move(entry));
  }
  io::JsonValue json = io::JsonValue::object();
  json.set("output", report.output)
      .set("format", report.format)
      .set("bytes", report.bytes)
      .set("file_bytes", report.file_bytes)
      .set("bits_per_weight", report.bits_per_weight)
      .set("seconds", report.seconds)
      .set("parameters_without_importance", report.unknown)
      .set("tensors", std::move(tensors))
      .set("coverage", std::move(layers));
  return json;
}

}  // namespace cadre::cli
