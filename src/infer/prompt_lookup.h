// Guessing what comes next from what came before: texts repeat themselves, and what they quote.
// Yang et al., "Inference with Reference", arXiv:2304.04487; "prompt lookup decoding" elsewhere.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cadre::infer {

// Finds up to `count` tokens that followed the last kLookupTokens tokens where they came before,
// the latest place first; if they did not, the last ones of these, down to kLeastLookupTokens. A
// repetition that reaches the end goes on with itself. Linear in the text.
constexpr int64_t kLookupTokens = 4;
constexpr int64_t kLeastLookupTokens = 2;
void look_up(std::span<const int32_t> tokens, int64_t count, std::vector<int32_t>& found);

}  // namespace cadre::infer
