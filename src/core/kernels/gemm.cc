#include "core/kernels/gemm.h"

#include <algorithm>

namespace cadre::kernels {

GemmCut preferred_cut(int64_t m, int64_t n, int64_t k, DType type, int threads) {
  // Enough arithmetic that starting a task costs nothing beside it.
  constexpr int64_t kLeastWork = int64_t{1} << 22;
  constexpr int64_t kMultiple = 96;  // of every register tile's width, or nearly
  const auto round_up = [](int64_t x) { return (x + kMultiple - 1) / kMultiple * kMultiple; };
  GemmCut cut = {std::max<int64_t>(m, 1), std::max<int64_t>(n, 1)};
  if (threads <= 1) return cut;
  // Two tasks for each thread: the slower thread then waits for half a task at most.
  int64_t parts = 2 * threads;
  parts = std::min(parts, std::max<int64_t>(1, m * n / kLeastWork * k + m * n % kLeastWork * k /
                                                                            kLeastWork));
  (void)type;
  // Cut the longer side first; what it cannot give is cut from the other.
  int64_t& longer = cut.m > cut.n ? cut.m : cut.n;
  int64_t& shorter = cut.m > cut.n ? cut.n : cut.m;
  const int64_t along = std::min(parts, std::max<int64_t>(1, longer / kMultiple));
  longer = round_up((longer + along - 1) / along);
  const int64_t across = std::min(parts / along, std::max<int64_t>(1, shorter / kMultiple));
  if (across > 1) shorter = round_up((shorter + across - 1) / across);
  return cut;
}

}  // namespace cadre::kernels
