#pragma once

#include <cstdint>
#include <vector>

namespace cadre {

// Tokens of tiny_spec() without a short period.
inline std::vector<int32_t> some_tokens(int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((3 * i * i + i) % 61));
  return tokens;
}

}  // namespace cadre
