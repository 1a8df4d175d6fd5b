// The random numbers of routers: each a function of (seed, layer, token, place), so a recomputed
// pass draws the same and the number of threads changes nothing.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/base/random.h"

namespace cadre::ops {

// Seed: a new one for each micro-batch of each step. Tokens are counted in the micro-batch.
class RouterRandom {
 public:
  RouterRandom(uint64_t seed, uint64_t layer)
      : noise_(seed, 8 * layer + 1),
        second_(seed, 8 * layer + 2),
        order_(seed, 8 * layer + 3),
        jitter_(seed, 8 * layer + 4) {}

  // Standard normal and standard Gumbel; the place of (token, expert) is token * E + expert.
  double normal(int64_t place) const { return noise_.normal_at(static_cast<uint64_t>(place)); }
  double gumbel(int64_t place) const {
    // In (0, 1): both logarithms are finite.
    const double u = noise_.uniform_f64_at(static_cast<uint64_t>(place)) + 0x1p-54;
    return -std::log(-std::log(u));
  }
  // Uniform in [0, 1): whether the choice at token * k + slot is used.
  double second(int64_t place) const {
    return second_.uniform_f64_at(static_cast<uint64_t>(place));
  }
  // Tokens are served in falling order of this.
  uint64_t order(int64_t token) const { return order_.at(static_cast<uint64_t>(token)); }
  // Uniform in [1 - epsilon, 1 + epsilon): the factor of element token * D + i.
  float jitter(int64_t place, float epsilon) const {
    return 1.0f + epsilon * (2.0f * jitter_.uniform_at(static_cast<uint64_t>(place)) - 1.0f);
  }

 private:
  RandomStream noise_, second_, order_, jitter_;
};

}  // namespace cadre::ops
