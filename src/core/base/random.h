// Seeded random numbers whose every value is a pure function of (seed, stream, position).
#pragma once

#include <cstdint>

namespace cadre {

// The splitmix64 finaliser: a bijection on 64 bits whose output passes the usual test batteries.
// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
constexpr uint64_t mix_bits(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// Counter-based: at(i) needs no state, so threads may draw any part of the stream in any order.
// The streaming calls only advance the position, which is all that a checkpoint has to keep.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed, uint64_t stream = 0)
      : key_(mix_bits(mix_bits(seed) ^ (stream * 0xd1342543de82ef95ull + 1))) {}

  uint64_t at(uint64_t position) const { return mix_bits(key_ ^ mix_bits(position)); }
  // Uniform in [0, 1) with 24 (f32) or 53 (f64) random bits.
  float uniform_at(uint64_t position) const { return (at(position) >> 40) * 0x1p-24f; }
  double uniform_f64_at(uint64_t position) const { return (at(position) >> 11) * 0x1p-53; }
  // Standard normal by Box-Muller from two values of the stream (2*position and 2*position + 1).
  double normal_at(uint64_t position) const;

  uint64_t next() { return at(position_++); }
  float uniform() { return uniform_at(position_++); }
  double normal() { return normal_at(position_++); }
  // Uniform in [0, bound), without bias; bound >= 1.
  uint64_t below(uint64_t bound);

  uint64_t position() const { return position_; }
  void seek(uint64_t position) { position_ = position; }

 private:
  uint64_t key_;
  uint64_t position_ = 0;
};

}  // namespace cadre
