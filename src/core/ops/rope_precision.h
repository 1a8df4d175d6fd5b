// Where the angles of rotary positions are rounded to bf16, as some training code does.
#pragma once

namespace cadre::ops {

enum class RopePrecision {
  f32,             // nowhere
  bf16_frequency,  // the frequencies alone: Yuan's training code
  bf16,            // frequencies, positions, angles, cos and sin: Yuan's published model code, in
                   // which positions above 256 lose their last bits
};

}  // namespace cadre::ops
