#include "model/rotation.h"

#include <algorithm>
#include <numbers>

#include "core/ops/rope.h"

namespace cadre::model {

std::vector<double> rotary_frequencies(const RopeSpec& spec, int64_t rotary_dim) {
  std::vector<double> frequencies = ops::rope_frequencies(rotary_dim, spec.theta);
  const RopeScaling& scaling = spec.scaling;
  if (scaling.kind == RopeScalingKind::none) return frequencies;
  for (double& frequency : frequencies) {
    const double low = frequency / scaling.factor;
    if (scaling.kind == RopeScalingKind::linear) {
      frequency = low;
      continue;
    }
    const double turns =
        static_cast<double>(scaling.original_positions) * frequency / (2.0 * std::numbers::pi);
    const double share = (turns - scaling.low_frequency_factor) /
                         (scaling.high_frequency_factor - scaling.low_frequency_factor);
    const double high = std::clamp(share, 0.0, 1.0);
    frequency = (1.0 - high) * low + high * frequency;
  }
  return frequencies;
}

}  // namespace cadre::model
