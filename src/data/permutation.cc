#include "data/permutation.h"

#include <bit>

#include "core/base/error.h"
#include "core/base/random.h"

namespace cadre::data {
namespace {

constexpr int kRounds = 6;

}  // namespace

Permutation::Permutation(int64_t size, uint64_t key) : size_(size), key_(mix_bits(key)) {
  CADRE_CHECK(size >= 1);
  half_bits_ = (std::bit_width(static_cast<uint64_t>(size - 1)) + 1) / 2;
}

int64_t Permutation::operator()(int64_t index) const {
  CADRE_CHECK(index >= 0 && index < size_);
  if (half_bits_ == 0) return 0;
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  auto value = static_cast<uint64_t>(index);
  do {  // the domain is at most four times as large as needed
    uint64_t left = value >> half_bits_;
    uint64_t right = value & mask;
    for (int round = 0; round < kRounds; ++round) {
      const uint64_t mixed =
          mix_bits(key_ ^ mix_bits(right * kRounds + static_cast<uint64_t>(round)));
      const uint64_t next = left ^ (mixed & mask);
      left = right;
      right = next;
    }
    value = left << half_bits_ | right;
  } while (value >= static_cast<uint64_t>(size_));
  return static_cast<int64_t>(value);
}

}  // namespace cadre::data
