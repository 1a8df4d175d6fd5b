#include "core/kernels/gemm.h"

#include "core/kernels/cpu/amx/finish.h"
#include "core/kernels/cpu/amx/gemm_in_place.h"
#include "core/kernels/cpu/amx/kernels.h"
#include "core/kernels/cpu/amx/multiply.h"
#include "core/kernels/cpu/amx/pack.h"
#include "core/kernels/cpu/amx/plan.h"
#include "core/kernels/cpu/avx512/kernels.h"

namespace cadre::kernels::amx {
namespace {

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Packs a panel piece by piece between the products of another.
struct Packing : Chore {
  Packer packer;

  // Spread over `products` steps of products.
  Packing(const Panel& panel, int64_t products) : packer(panel) {
    run = [](Chore& chore) { static_cast<Packing&>(chore).packer.advance(); };
    const int64_t pieces = packer.pieces();
    if (pieces > 0) interval = products > pieces ? products / pieces : 1;
    countdown = interval;
  }
};

class Product {
 public:
  Product(const GemmArgs& args, const Plan& plan)
      : args_(args),
        plan_(plan),
        resident_(plan.resident_left ? plan.left : plan.right),
        streamed_(plan.resident_left ? plan.right : plan.left),
        past_caches_(args.c_type == DType::f32 && !args.accumulate &&
                     args.m * args.n * 4 >= kLargeOutput),
        resident_memory_(args.scratch),
        streamed_memory_(resident_memory_ + kResidentBytes),
        waiting_(streamed_memory_ + 2 * kStreamedBytes),
        block_(waiting_ + kWaitingBytes) {}

  void run() {
    for (int64_t r = 0; r < resident_.lanes; r += plan_.resident_block) {
      const int64_t r_end = smaller(resident_.lanes, r + plan_.resident_block);
      for (int64_t s = 0; s < streamed_.lanes; s += plan_.streamed_block) {
        const int64_t s_end = smaller(streamed_.lanes, s + plan_.streamed_block);
        for (int64_t k = 0; k == 0 || k < args_.k; k += plan_.chunk) {
          k_begin_ = k;
          k_end_ = smaller(args_.k, k + plan_.chunk);
          Packer(panel(resident_, plan_.resident_left, r, r_end, resident_memory_)).finish();
          stream(r, r_end, s, s_end);
          if (plan_.chunk == 0) break;
        }
      }
    }
    if (past_caches_) _mm_sfence();
  }

 private:
  // Bytes of c from which on it is written past the caches.
  static constexpr int64_t kLargeOutput = 1 << 20;

  int64_t steps() const { return (k_end_ - k_begin_ + kTileDepth - 1) / kTileDepth; }

  // Empty if the factor is not packed.
  Panel panel(const Factor& factor, bool left, int64_t begin, int64_t end, std::byte* to) const {
    if (left && plan_.left_in_place) end = begin;
    return {factor, left, begin, end, k_begin_, k_end_, to};
  }

  Packing packing_of_unit(int64_t begin, int64_t end, std::byte* to, int64_t products) const {
    return Packing(panel(streamed_, !plan_.resident_left, begin, end, to), products);
  }

  void stream(int64_t r_begin, int64_t r_end, int64_t s_begin, int64_t s_end) {
    std::byte* waiting = waiting_;
    std::byte* packed = streamed_memory_;
    std::byte* other = streamed_memory_ + kStreamedBytes;
    packing_of_unit(s_begin, end_of_unit(s_begin, s_end), packed, 0).packer.finish();
    for (int64_t unit = s_begin; unit < s_end;) {
      const int64_t unit_end = end_of_unit(unit, s_end);
      const int64_t products = groups(unit_end - unit, !plan_.resident_left) *
                               groups(r_end - r_begin, plan_.resident_left);
      Packing next =
          packing_of_unit(unit_end, end_of_unit(unit_end, s_end), other, products * steps());
      const std::byte* from = packed;
      for (int64_t lane = unit; lane < unit_end;) {
        const Group streamed = group_at(lane, unit_end, !plan_.resident_left);
        const std::byte* resident_from = resident_memory_;
        for (int64_t r = r_begin; r < r_end;) {
          const Group resident = group_at(r, r_end, plan_.resident_left);
          multiply_groups(streamed, from, resident, resident_from, waiting, next);
          resident_from += resident.tiles * steps() * kTileBytes;
          waiting += kBlockBytes;
          r += resident.tiles * kTileWidth;
        }
        from += streamed.tiles * steps() * kTileBytes;
        lane += streamed.tiles * kTileWidth;
      }
      next.packer.finish();
      std::byte* const free = packed;
      packed = other;
      other = free;
      unit = unit_end;
    }
  }

  int64_t end_of_unit(int64_t lane, int64_t end) const {
    if (streamed_.k_contiguous && lane < end) {
      return smaller(end, lane + group_at(lane, end, !plan_.resident_left).tiles * kTileWidth);
    }
    return smaller(end, lane + plan_.streamed_unit);
  }

  void multiply_groups(Group streamed, const std::byte* streamed_from, Group resident,
                       const std::byte* resident_from, std::byte* waiting, Chore& chore) const {
    const Group left = plan_.resident_left ? resident : streamed;
    const Group right = plan_.resident_left ? streamed : resident;
    const bool last = k_end_ == args_.k;
    const bool into_c = last && ends_in_c(left, right);
    Output output;
    if (last && !past_caches_) output = output_of(left, right);
    const std::byte* const packed_left = plan_.resident_left ? resident_from : streamed_from;
    const bool packed = !plan_.left_in_place;
    multiply({.left = packed ? packed_left : place_of(left),
              .left_layout = packed ? packed_layout(left) : layout_in_place(),
              .right = plan_.resident_left ? streamed_from : resident_from,
              .left_tiles = left.tiles,
              .right_tiles = right.tiles,
              .steps = steps(),
              .begin = k_begin_ == 0 ? nullptr : waiting,
              .end = into_c ? place_in_c(left, right)
                     : last ? block_
                            : waiting,
              .end_layout = into_c ? layout_of_c() : packed_sums(right),
              .output = output,
              .chore = &chore});
    if (!last || into_c) return;
    finish({.gemm = &args_,
            .transposed = plan_.transposed,
            .past_caches = past_caches_,
            .sums = block_,
            .left_tiles = left.tiles,
            .right_tiles = right.tiles,
            .first_left = left.first,
            .first_right = right.first});
  }

  static SumsLayout packed_sums(Group right) { return {64, right.tiles * kTileBytes, kTileBytes}; }
  static TileLayout packed_layout(Group left) { return {64, kTileBytes, left.tiles * kTileBytes}; }
  TileLayout layout_in_place() const {
    const int64_t row = 2 * plan_.left.stride;
    return {row, kTileWidth * row, 2 * kTileDepth};
  }
  const std::byte* place_of(Group left) const {
    return reinterpret_cast<const std::byte*>(plan_.left.data + left.first * plan_.left.stride +
                                              k_begin_);
  }

  // Whether tiles store their sums where they belong: f32, nothing to add, whole tiles, and rows
  // that begin on lines.
  bool ends_in_c(Group left, Group right) const {
    return args_.c_type == DType::f32 && !args_.accumulate && !plan_.transposed && !past_caches_ &&
           4 * args_.c_stride % 64 == 0 && reinterpret_cast<uintptr_t>(args_.c) % 64 == 0 &&
           left.first + left.tiles * kTileWidth <= args_.m &&
           right.first + right.tiles * kTileWidth <= args_.n;
  }
  std::byte* place_in_c(Group left, Group right) const {
    return static_cast<std::byte*>(args_.c) + 4 * (left.first * args_.c_stride + right.first);
  }
  SumsLayout layout_of_c() const {
    const int64_t row = 4 * args_.c_stride;
    return {row, kTileWidth * row, 4 * kTileWidth};
  }

  Output output_of(Group left, Group right) const {
    const Group rows = plan_.transposed ? right : left;
    const Group columns = plan_.transposed ? left : right;
    const int64_t size = dtype_size(args_.c_type);
    return {.row = static_cast<const std::byte*>(args_.c) +
                   (rows.first * args_.c_stride + columns.first) * size,
            .row_stride = args_.c_stride * size,
            .row_bytes = smaller(columns.tiles * kTileWidth, args_.n - columns.first) * size,
            .rows = smaller(rows.tiles * kTileWidth, args_.m - rows.first)};
  }

  static int64_t groups(int64_t lanes, bool left) {
    const int64_t width = (left ? kLeftTiles : kRightTiles) * kTileWidth;
    return (lanes + width - 1) / width;
  }

  const GemmArgs& args_;
  const Plan& plan_;
  const Factor& resident_;
  const Factor& streamed_;
  const bool past_caches_;
  std::byte* resident_memory_;
  std::byte* streamed_memory_;
  std::byte* waiting_;
  std::byte* block_;
  int64_t k_begin_ = 0;
  int64_t k_end_ = 0;
};

GemmArgs from_column(GemmArgs args, int64_t column) {
  args.b = static_cast<const bf16*>(args.b) + column * (args.b_transposed ? args.b_stride : 1);
  args.c = static_cast<std::byte*>(args.c) + column * dtype_size(args.c_type);
  args.n -= column;
  return args;
}

}  // namespace

void gemm(const GemmArgs& args) noexcept {
  if (args.type == DType::f32) return avx512::gemm_bf16(args);
  if (args.m == 0 || args.n == 0) return;
  configure_tiles();
  const int64_t columns = columns_in_place(args);
  if (columns > 0) multiply_in_place(args, columns);
  if (columns < args.n) {
    const GemmArgs rest = from_column(args, columns);
    Product(rest, choose_plan(rest)).run();
  }
  release_tiles();
}

}  // namespace cadre::kernels::amx
