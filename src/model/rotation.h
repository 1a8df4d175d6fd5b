// The rotary frequencies that a spec describes.
#pragma once

#include <cstdint>
#include <vector>

#include "model/spec.h"

namespace cadre::model {

// Radians per position for each pair of `rotary_dim` elements, stretched as the spec says:
//
//   linear: w / factor
//   llama3: w / factor where w turns less than low_frequency_factor times within
//   original_positions,
//           w where more than high_frequency_factor times, and between them a mean of both whose
//           weight is linear in the number of turns
std::vector<double> rotary_frequencies(const RopeSpec& spec, int64_t rotary_dim);

}  // namespace cadre::model
