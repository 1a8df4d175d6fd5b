#pragma once

#include <cstdint>
#include <limits>

namespace cadre {

// A limit that resident memory is held to; none under sanitizers, whose own counts as resident.
constexpr int64_t resident_limit(int64_t bytes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return bytes + std::numeric_limits<int64_t>::max() / 2;
#else
  return bytes;
#endif
}

}  // namespace cadre
