#include "tests/model/golden_case.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/decoder.h"

namespace cadre {

GoldenCase::GoldenCase(const std::string& path)
    : folder_(std::filesystem::path("tests/golden") / path),
      expected_(io::SafetensorsFile::open(folder_ / "expected.safetensors")) {}

bool GoldenCase::has(const std::string& name) const { return expected_->find(name) != nullptr; }

nn::ForwardInput GoldenCase::input() const {
  const Tensor ids = expected("input_ids");
  std::vector<int64_t> starts;
  for (int64_t b = 0; b < ids.dim(0); ++b) starts.push_back(b * ids.dim(1));
  const auto tokens = ids.span<int32_t>();
  nn::ForwardInput input = model::packed_input({tokens.begin(), tokens.end()}, starts);
  auto mask = std::make_shared<std::vector<uint8_t>>();
  for (const int32_t real : expected("attention_mask").span<int32_t>()) {
    mask->push_back(static_cast<uint8_t>(real));
  }
  input.mask = std::move(mask);
  return input;
}

bool GoldenCase::is_real(int64_t row) const {
  return expected("attention_mask").data<int32_t>()[row] != 0;
}

std::vector<int32_t> GoldenCase::targets() const {
  const Tensor labels = expected("labels");
  const int64_t length = labels.dim(1);
  std::vector<int32_t> targets(static_cast<size_t>(labels.elements()), -1);
  for (int64_t i = 0; i < labels.elements(); ++i) {
    if (i % length == length - 1) continue;
    const int32_t label = labels.data<int32_t>()[i + 1];
    if (label >= 0) targets[static_cast<size_t>(i)] = label;
  }
  return targets;
}

std::vector<float> GoldenCase::target_weights() const {
  const std::vector<int32_t> all = targets();
  const auto count = std::count_if(all.begin(), all.end(), [](int32_t t) { return t >= 0; });
  return std::vector<float>(all.size(), 1.0f / static_cast<float>(count));
}

std::vector<std::string> olmoe_cases() {
  return {"olmoe/plain",          "olmoe/odd_sizes",   "olmoe/grouped_queries",
          "olmoe/top_1",          "olmoe/all_experts", "olmoe/padded_renormalised",
          "olmoe/packed_experts", "olmoe/clipped_tied"};
}

double max_difference(const Tensor& a, const Tensor& b, const GoldenCase& rows) {
  const int64_t width = a.dim(-1);
  double largest = 0.0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    if (!rows.is_real(i / width)) continue;
    const double difference = std::fabs(static_cast<double>(a.data<float>()[i]) -
                                        static_cast<double>(b.data<float>()[i]));
    largest = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                     : std::max(largest, difference);
  }
  return largest;
}

double relative_norm(const float* a, const float* b, int64_t count) {
  double difference = 0.0;
  double norm = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    difference += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
    norm += static_cast<double>(b[i]) * b[i];
  }
  if (norm == 0.0) return difference == 0.0 ? 0.0 : std::numeric_limits<double>::infinity();
  return std::sqrt(difference / norm);
}

}  // namespace cadre
