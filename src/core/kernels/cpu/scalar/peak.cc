#include "core/kernels/peak.h"

#include <cstring>

#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {

// Eight chains: four cycles of latency, two additions or products a cycle.
int64_t peak_f32(int64_t flops) noexcept {
  constexpr int kChains = 8;
  volatile float factor = 0.999f;
  const float f = factor;
  float sum[kChains] = {};
  int64_t done = 0;
  for (; done < flops; done += 2 * kChains) {
    for (float& s : sum) s = s * f + f;
  }
  for (const float s : sum) factor = s;
  return done;
}

uint64_t read_memory(const std::byte* from, int64_t bytes) noexcept {
  uint64_t sum = 0;
  for (int64_t i = 0; i < bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, from + i, sizeof(word));
    sum += word;
  }
  return sum;
}

void write_memory(std::byte* to, int64_t bytes) noexcept {
  std::memset(to, 1, static_cast<size_t>(bytes));
}

void copy_memory(const std::byte* from, std::byte* to, int64_t bytes) noexcept {
  std::memcpy(to, from, static_cast<size_t>(bytes));
}

}  // namespace cadre::kernels::scalar
