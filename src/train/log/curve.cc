#include "train/log/curve.h"

#include <cmath>
#include <cstddef>
#include <utility>

namespace cadre::train {
namespace {

using io::JsonValue;

constexpr size_t kMaxPoints = 2000;

}  // namespace

void Curve::add(double step, double value) {
  if (!std::isfinite(value)) return;
  step_sum += step;
  value_sum += value;
  if (++pending < stride) return;
  steps.push_back(step_sum / static_cast<double>(pending));
  values.push_back(value_sum / static_cast<double>(pending));
  pending = 0;
  step_sum = value_sum = 0.0;
  if (values.size() < kMaxPoints) return;
  for (size_t i = 0; i < kMaxPoints / 2; ++i) {
    steps[i] = (steps[2 * i] + steps[2 * i + 1]) / 2.0;
    values[i] = (values[2 * i] + values[2 * i + 1]) / 2.0;
  }
  steps.resize(kMaxPoints / 2);
  values.resize(kMaxPoints / 2);
  stride *= 2;
}

JsonValue Curve::json() const {
  JsonValue x = steps;
  JsonValue y = values;
  if (pending > 0) {  // the newest points belong in the picture too
    x.push(step_sum / static_cast<double>(pending));
    y.push(value_sum / static_cast<double>(pending));
  }
  JsonValue curve = JsonValue::object();
  curve.set("x", std::move(x)).set("y", std::move(y));
  return curve;
}

}  // namespace cadre::train
