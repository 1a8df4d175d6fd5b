// A half-open range of indices, the unit in which work is divided among threads.
#pragma once

#include <cstdint>

namespace cadre {

struct Range {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t size() const { return end - begin; }
};

}  // namespace cadre
