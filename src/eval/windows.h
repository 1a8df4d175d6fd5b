// A text longer than a model's context, as overlapping windows.
#pragma once

#include <cstdint>
#include <vector>

namespace cadre::eval {

// Tokens [begin, end) are read and the targets [first_target, end] are scored: target t is token t,
// predicted by row t - 1 - begin of the window.
struct Window {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t first_target = 0;
};

// Windows of `context` tokens in which every target but token 0 is scored once: the first scores
// all of its own, each later one the next `stride`, with at least context - stride tokens before
// them. A context of 0 takes max_positions, a stride of 0 half the context. Throws
// Error(invalid_input) with fewer than two tokens, a context beyond max_positions, or a stride that
// is not below the context.
std::vector<Window> sliding_windows(int64_t count, int64_t context, int64_t stride,
                                    int64_t max_positions);

}  // namespace cadre::eval
