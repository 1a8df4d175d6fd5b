#include "eval/windows.h"

#include <algorithm>

#include "core/base/error.h"

namespace cadre::eval {

std::vector<Window> sliding_windows(int64_t count, int64_t context, int64_t stride,
                                    int64_t max_positions) {
  if (context == 0) context = max_positions;
  if (context < 2 || context > max_positions) {
    fail(ErrorKind::invalid_input, "context = {}, expected 2 to {} (the model's context)", context,
         max_positions);
  }
  if (stride == 0) stride = std::max<int64_t>(1, context / 2);
  if (stride < 1 || stride >= context) {
    fail(ErrorKind::invalid_input, "stride = {}, expected 1 to {} (less than the context)", stride,
         context - 1);
  }
  if (count < 2) {
    fail(ErrorKind::invalid_input, "the text has {} tokens, expected at least 2", count);
  }
  std::vector<Window> windows;
  for (int64_t target = 1; target < count;) {
    const int64_t end = std::min(count - 1, target == 1 ? context : target - 1 + stride);
    windows.push_back({std::max<int64_t>(0, end - context), end, target});
    target = end + 1;
  }
  return windows;
}

}  // namespace cadre::eval
