#include "core/base/random.h"

#include <cmath>

namespace cadre {

double RandomStream::normal_at(uint64_t position) const {
  const double u = 1.0 - uniform_f64_at(2 * position);  // (0, 1], so the logarithm is finite
  const double v = uniform_f64_at(2 * position + 1);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * 3.14159265358979323846 * v);
}

uint64_t RandomStream::below(uint64_t bound) {
  // Lemire's multiply-shift with rejection of the short interval.
  const uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const unsigned __int128 product = static_cast<unsigned __int128>(next()) * bound;
    if (static_cast<uint64_t>(product) >= threshold) return static_cast<uint64_t>(product >> 64);
  }
}

}  // namespace cadre
