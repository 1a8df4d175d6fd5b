#include "core/kernels/gemm.h"

#include <algorithm>

namespace cadre::kernels {

GemmCut preferred_cut(int64_t m, int64_t n, int64_t k, DType type, int threads) {
  // Products of which one task has a few tens of microseconds: starting it costs nothing beside.
  const double least_work = type == DType::bf16 ? 0x1p24 : 0x1p21;
  constexpr int64_t kMultiple = 96;  // of every register tile's width, or nearly
  const auto round_up = [](int64_t x) { return (x + kMultiple - 1) / kMultiple * kMultiple; };
  GemmCut cut = {std::max<int64_t>(m, 1), std::max<int64_t>(n, 1)};
  const double work = static_cast<double>(cut.m) * static_cast<double>(cut.n) *
                      static_cast<double>(std::max<int64_t>(k, 1));
  const auto parts =
      static_cast<int64_t>(std::min(static_cast<double>(threads), work / least_work));
  if (parts <= 1) return cut;
  // Each part packs its own share of the side that is cut and the whole of the other, so the longer
  // side is cut first.
  int64_t& longer = cut.m > cut.n ? cut.m : cut.n;
  int64_t& shorter = cut.m > cut.n ? cut.n : cut.m;
  const int64_t along = std::min(parts, std::max<int64_t>(1, longer / kMultiple));
  const int64_t across = std::min(parts / along, std::max<int64_t>(1, shorter / kMultiple));
  if (along > 1) longer = round_up((longer + along - 1) / along);
  if (across > 1) shorter = round_up((shorter + across - 1) / across);
  return cut;
}

}  // namespace cadre::kernels
