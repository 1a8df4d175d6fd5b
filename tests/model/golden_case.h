// One case of tests/golden: a model directory and what a reference computes with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "model/nn/forward.h"

namespace cadre {

class GoldenCase {
 public:
  explicit GoldenCase(const std::string& path);  // e.g. "olmoe/plain"

  const std::filesystem::path& folder() const { return folder_; }
  Tensor expected(const std::string& name) const { return expected_->tensor(name); }
  bool has(const std::string& name) const;
  float scalar(const std::string& name) const { return expected(name).data<float>()[0]; }

  // The batch with its padding, every row a sequence, padding masked.
  nn::ForwardInput input() const;
  // Shifted labels with -1 for none, and 1 / (number of targets) for each.
  std::vector<int32_t> targets() const;
  std::vector<float> target_weights() const;
  // True for rows of [B * T] that are not padding.
  bool is_real(int64_t row) const;

 private:
  std::filesystem::path folder_;
  std::shared_ptr<const io::SafetensorsFile> expected_;
};

// The names of all OLMoE cases.
std::vector<std::string> olmoe_cases();

// The largest absolute difference over the rows that `keep` accepts.
double max_difference(const Tensor& a, const Tensor& b, const GoldenCase& rows);

// norm(a - b) / norm(b); 0 if both are zero, infinite if only b is.
double relative_norm(const float* a, const float* b, int64_t count);

}  // namespace cadre
