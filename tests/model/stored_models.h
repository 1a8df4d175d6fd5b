// Every model directory under tests/golden, found by what it holds, so that no family is forgotten.
#pragma once

#include <algorithm>
#include <filesystem>
#include <vector>

#include "model/format.h"

namespace cadre {

inline std::vector<std::filesystem::path> stored_models() {
  std::vector<std::filesystem::path> places;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("tests/golden")) {
    if (entry.is_directory() && model::find_format(entry.path()) != nullptr) {
      places.push_back(entry.path());
    }
  }
  std::ranges::sort(places);
  return places;
}

}  // namespace cadre
