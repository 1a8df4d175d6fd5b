// A curve of bounded memory: beyond a few thousand points it is thinned by averaging neighbours.
#pragma once

#include <cstdint>
#include <vector>

#include "core/io/json_value.h"

namespace cadre::train {

// Points are means over `stride` consecutive values; values that are not finite are left out.
struct Curve {
  std::vector<double> steps, values;
  int64_t stride = 1;
  int64_t pending = 0;
  double step_sum = 0.0, value_sum = 0.0;

  void add(double step, double value);
  // {"x": [...], "y": [...]}, the newest points included.
  io::JsonValue json() const;
};

}  // namespace cadre::train
