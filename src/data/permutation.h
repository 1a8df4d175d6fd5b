// A shuffled order without memory: where each index goes is computed, not stored.
#pragma once

#include <cstdint>

namespace cadre::data {

// A bijection on [0, size) chosen by a key: a Feistel network of six rounds over the next even
// number of bits, applied again while the result lies outside (Black and Rogaway, "Ciphers with
// arbitrary finite domains", CT-RSA 2002). Any thread may compute any part in any order. No cipher:
// it hides nothing.
class Permutation {
 public:
  // size >= 1.
  Permutation(int64_t size, uint64_t key);

  int64_t size() const { return size_; }
  // index in [0, size).
  int64_t operator()(int64_t index) const;

 private:
  int64_t size_;
  uint64_t key_;
  int half_bits_;
};

}  // namespace cadre::data
