#include "core/kernels/cpu/amx/plan.h"

namespace cadre::kernels::amx {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// `count` lanes in equal blocks of at most `limit`, whole groups of both widths if possible.
int64_t even_block(int64_t count, int64_t limit) {
  const int64_t blocks = divide_up(count, limit);
  const int64_t block = divide_up(divide_up(count, blocks), 32) * 32;
  return smaller(block, limit);
}

// Cycles to pack one tile, measured. A large factor is read from memory. Where it is resident
// nothing hides that; where it is streamed the products hide most of it, unless its units are of a
// few lanes that lie side by side: short pieces of memory come at half the speed.
double pack_cycles(const Factor& factor, bool left, bool streamed, int64_t k) {
  constexpr int64_t kLargeFactor = 1 << 20;
  double memory = 0;
  if (factor.lanes * k * 2 > kLargeFactor) {
    memory = !streamed ? 200 : factor.k_contiguous ? 60 : 250;
  }
  if (factor.k_contiguous) return memory + (left ? 50 : 80);
  return memory + (left ? 90 : 60);
}

// Cycles of all blocks for one step: sixteen for each product, twelve for each load of a tile from
// the second-level cache.
double multiply_cycles(int64_t left, int64_t right) {
  double cycles = 0;
  for (int64_t l = left; l > 0;) {
    const int64_t rows = group_at(0, l * kTileWidth, true).tiles;
    const int64_t pairs = right / 2;
    cycles +=
        pairs * (32.0 * rows + 12.0 * (rows + 2)) + right % 2 * (16.0 * rows + 12.0 * (rows + 1));
    l -= rows;
    if (l > 4) {  // all groups of three cost the same
      const int64_t more = (l - 4) / 3;
      cycles += more * (pairs * 156.0 + right % 2 * 96.0);
      l -= 3 * more;
    }
  }
  return cycles;
}

// A copy of such a factor would be its own size again, in the same caches. Rows begin on lines: of
// others a tile would touch twice as many, each time that it is loaded.
bool lies_as_tiles(const Factor& factor, int64_t k) {
  constexpr int64_t kRowBytes = 1 << 10;  // more, and lines of 16 rows fall into few sets
  constexpr int64_t kFactorBytes = 1 << 18;
  const bool on_lines =
      reinterpret_cast<uintptr_t>(factor.data) % 64 == 0 && 2 * factor.stride % 64 == 0;
  return on_lines && factor.k_contiguous && factor.lanes % kTileWidth == 0 && k % kTileDepth == 0 &&
         2 * factor.stride <= kRowBytes && 2 * factor.stride * factor.lanes <= kFactorBytes;
}

// A unit is one group if its lanes are rows of memory. If its lanes lie side by side, few lanes
// would touch many short pieces of memory: then it is as wide as its place allows.
int64_t unit_lanes(const Factor& factor, bool left, int64_t depth) {
  const int64_t group = (left ? kLeftTiles : kRightTiles) * kTileWidth;
  if (factor.k_contiguous) return group;
  constexpr int64_t kUnitBytes = 1 << 18;
  const int64_t groups = smaller(kUnitBytes / (2 * depth * group), 384 / group);
  return group * (groups > 2 ? groups : 2);
}

Plan make_plan(const GemmArgs& args, bool transposed, bool resident_left) {
  Plan plan;
  plan.transposed = transposed;
  plan.resident_left = resident_left;
  const Factor a = {static_cast<const bf16*>(args.a), args.a_stride, !args.a_transposed, args.m};
  const Factor b = {static_cast<const bf16*>(args.b), args.b_stride, args.b_transposed, args.n};
  plan.left = transposed ? b : a;
  plan.right = transposed ? a : b;
  plan.left_in_place = lies_as_tiles(plan.left, args.k);
  const int64_t chunks = args.k == 0 ? 1 : divide_up(args.k, kMaxChunk);
  plan.chunk = divide_up(divide_up(args.k, chunks), kTileDepth) * kTileDepth;
  const Factor& resident = resident_left ? plan.left : plan.right;
  const Factor& streamed = resident_left ? plan.right : plan.left;
  const int64_t depth = plan.chunk > 0 ? plan.chunk : kTileDepth;
  plan.resident_block = even_block(resident.lanes, kResidentBytes / (2 * depth) / 32 * 32);
  plan.streamed_block = streamed.lanes;
  if (chunks > 1) {
    // Blocks of 48 x 32 sums, some of them smaller.
    const int64_t blocks = divide_up(plan.resident_block, 32);
    plan.streamed_block = smaller(streamed.lanes, kWaitingBytes / kBlockBytes / blocks * 32);
  }
  plan.streamed_unit = unit_lanes(streamed, !resident_left, depth);

  const double steps = static_cast<double>(divide_up(args.k, kTileDepth));
  const int64_t left_tiles = divide_up(plan.left.lanes, kTileWidth);
  const int64_t right_tiles = divide_up(plan.right.lanes, kTileWidth);
  const double resident_tiles = static_cast<double>(resident_left ? left_tiles : right_tiles);
  const double streamed_tiles = static_cast<double>(resident_left ? right_tiles : left_tiles);
  const int64_t streamed_passes = divide_up(resident.lanes, plan.resident_block);
  const int64_t resident_passes = divide_up(streamed.lanes, plan.streamed_block);
  const auto packing = [&](const Factor& factor, bool left, bool is_streamed) {
    return left && plan.left_in_place ? 0 : pack_cycles(factor, left, is_streamed, args.k);
  };
  plan.cycles =
      steps * (resident_tiles * resident_passes * packing(resident, resident_left, false) +
               streamed_tiles * streamed_passes * packing(streamed, !resident_left, true) +
               multiply_cycles(left_tiles, right_tiles)) +
      resident_tiles * streamed_tiles * (transposed ? 80 : 50);
  return plan;
}

}  // namespace

Plan choose_plan(const GemmArgs& args) noexcept {
  Plan best = make_plan(args, false, false);
  for (int way = 1; way < 4; ++way) {
    const Plan plan = make_plan(args, (way & 1) != 0, (way & 2) != 0);
    if (plan.cycles < best.cycles) best = plan;
  }
  return best;
}

}  // namespace cadre::kernels::amx
