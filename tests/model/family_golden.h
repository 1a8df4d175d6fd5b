// What every family with golden cases has to pass. The numbers come from tests/golden; the
// tolerances are those of its README.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/model/golden_case.h"
#include "tests/model/machine.h"

namespace cadre {

std::vector<std::string> arctic_cases();
std::vector<std::string> yuan_cases();
// Those that make_families.py writes.
std::vector<std::string> transformers_cases();

// A folder under the system's temporary one that disappears with the object.
class GoldenFolder {
 public:
  GoldenFolder();
  ~GoldenFolder();
  GoldenFolder(const GoldenFolder&) = delete;
  GoldenFolder& operator=(const GoldenFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Logits, and of every router logits, experts and weights, with every kernel table.
void check_golden_logits(const std::string& name);

// The loss, the balancing loss and the gradient of every tensor in the file, with every table.
void check_golden_gradients(const std::string& name);

// Loading and saving gives the same tensors, byte for byte, and a configuration that reads as the
// same spec.
void check_golden_round_trip(const std::string& name);

}  // namespace cadre
