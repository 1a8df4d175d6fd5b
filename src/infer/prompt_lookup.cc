#include "infer/prompt_lookup.h"

#include <algorithm>

namespace cadre::infer {
namespace {

// Where what follows the latest earlier appearance of the last `length` tokens begins; -1 if there
// is none.
int64_t latest_match(std::span<const int32_t> tokens, int64_t length) {
  const int64_t size = std::ssize(tokens);
  const auto last = tokens.last(static_cast<size_t>(length));
  for (int64_t begin = size - length - 1; begin >= 0; --begin) {
    if (std::ranges::equal(tokens.subspan(static_cast<size_t>(begin), last.size()), last)) {
      return begin + length;
    }
  }
  return -1;
}

}  // namespace

void look_up(std::span<const int32_t> tokens, int64_t count, std::vector<int32_t>& found) {
  found.clear();
  const int64_t size = std::ssize(tokens);
  for (int64_t length = std::min(kLookupTokens, size - 1); length >= kLeastLookupTokens; --length) {
    const int64_t begin = latest_match(tokens, length);
    if (begin < 0) continue;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = begin + i;
      found.push_back(at < size ? tokens[static_cast<size_t>(at)]
                                : found[static_cast<size_t>(at - size)]);
    }
    return;
  }
}

}  // namespace cadre::infer
