#include "model/rearrange.h"

#include <algorithm>
#include <cstring>

namespace cadre::model {
namespace {

// A line is one (outer, column): `rows` runs of `width` elements that lie together in our order and
// `columns` runs apart in the file's.
struct Lines {
  const std::byte* from;
  AxisSwap swap;
  Range range;
  std::byte* to;

  int64_t length() const { return swap.rows * swap.width; }
};

// Lines [begin, end), a few rows of all of them at a time, so that what one line reads is still in
// the cache when the next one needs its neighbour.
template <typename Word>
void move_lines(const Lines& lines, Range which) {
  constexpr int64_t kRows = 64;
  const AxisSwap& swap = lines.swap;
  const auto* from = reinterpret_cast<const Word*>(lines.from);
  auto* to = reinterpret_cast<Word*>(lines.to);
  for (int64_t first = 0; first < swap.rows; first += kRows) {
    const int64_t last = std::min(first + kRows, swap.rows);
    for (int64_t line = which.begin; line < which.end; ++line) {
      const int64_t outer = line / swap.columns;
      const int64_t column = line % swap.columns;
      for (int64_t row = first; row < last; ++row) {
        const int64_t run = line * lines.length() + row * swap.width;
        const int64_t begin = std::max(run, lines.range.begin);
        const int64_t end = std::min(run + swap.width, lines.range.end);
        if (begin >= end) continue;
        const int64_t source =
            ((outer * swap.rows + row) * swap.columns + column) * swap.width + (begin - run);
        std::copy_n(from + source, end - begin, to + (begin - lines.range.begin));
      }
    }
  }
}

}  // namespace

int64_t stored_run(const AxisSwap& swap, int64_t ours) {
  const int64_t r = ours % swap.rows;
  const int64_t c = ours / swap.rows % swap.columns;
  return (ours / (swap.rows * swap.columns) * swap.rows + r) * swap.columns + c;
}

void rearrange(Context& ctx, const std::byte* from, const AxisSwap& swap, Range range,
               int64_t element_bytes, std::byte* to) {
  if (range.begin >= range.end) return;
  const Lines lines = {from, swap, range, to};
  const int64_t first = range.begin / lines.length();
  const int64_t last = (range.end + lines.length() - 1) / lines.length();
  // Thirty-two lines of one element each fill a cache line or two of the file's order.
  ctx.for_blocks(last - first, 32, [&](Range block) {
    const Range which = {first + block.begin, first + block.end};
    if (element_bytes == 1) move_lines<uint8_t>(lines, which);
    if (element_bytes == 2) move_lines<uint16_t>(lines, which);
    if (element_bytes == 4) move_lines<uint32_t>(lines, which);
    if (element_bytes == 8) move_lines<uint64_t>(lines, which);
  });
}

}  // namespace cadre::model
