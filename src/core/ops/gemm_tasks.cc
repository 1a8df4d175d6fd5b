#include "core/ops/gemm_tasks.h"

#include <algorithm>

#include "core/tensor/pool_vector.h"

namespace cadre::ops {
namespace {

// Tasks for each thread: enough that the last one does not wait long, few enough that large blocks
// pack their operands seldom.
constexpr int64_t kTasksPerThread = 3;
// Work, in multiply-adds, of a task below which handing it out costs more than it brings.
constexpr int64_t kLeastWork = int64_t{1} << 19;
// Blocks have whole register tiles.
constexpr int64_t kMultiple = 32;

struct Block {
  const kernels::GemmArgs* product;
  Range rows;
  Range columns;
};

// Rows of a whose multiply-adds take as long as reading b does.
constexpr int64_t kReadRows = 8;

int64_t work(const kernels::GemmArgs& args) {
  if (args.m == 0) return 0;
  return (args.m + kReadRows) * args.n * std::max<int64_t>(args.k, 1);
}

int64_t divide_up(int64_t x, int64_t y) { return (x + y - 1) / y; }

// The extent of blocks when `size` is cut into about `parts`.
int64_t extent(int64_t size, int64_t parts) {
  return divide_up(divide_up(size, parts), kMultiple) * kMultiple;
}

// Cuts a product into about `parts` blocks of equal size. Every block packs its rows of a and its
// columns of b, so of all grids the one that packs least is taken; among equals the one that packs
// the operand that lies across k less often.
void cut(const kernels::GemmArgs& args, int64_t parts, PoolVector<Block>* blocks) {
  int64_t best_rows = 1;
  const auto packed = [&](int64_t rows) { return divide_up(parts, rows) * args.m + rows * args.n; };
  for (int64_t rows = 1; rows <= parts; ++rows) {
    const int64_t gain = packed(best_rows) - packed(rows);
    if (gain > 0 || (gain == 0 && !args.a_transposed)) best_rows = rows;
  }
  const int64_t height = extent(args.m, best_rows);
  const int64_t width = extent(args.n, divide_up(parts, best_rows));
  for (int64_t j = 0; j < args.n; j += width) {
    for (int64_t i = 0; i < args.m; i += height) {
      blocks->push_back(
          {&args, {i, std::min(args.m, i + height)}, {j, std::min(args.n, j + width)}});
    }
  }
}

void run_block(Context& ctx, const Block& block, std::byte* scratch) {
  kernels::GemmArgs args = *block.product;
  const int64_t element = dtype_size(args.type);
  const int64_t i = block.rows.begin;
  const int64_t j = block.columns.begin;
  args.m = block.rows.size();
  args.n = block.columns.size();
  args.a =
      static_cast<const std::byte*>(args.a) + i * (args.a_transposed ? 1 : args.a_stride) * element;
  args.b =
      static_cast<const std::byte*>(args.b) + j * (args.b_transposed ? args.b_stride : 1) * element;
  args.c = static_cast<std::byte*>(args.c) + (i * args.c_stride + j) * dtype_size(args.c_type);
  args.scratch = scratch;
  ctx.kernels().gemm(args);
}

}  // namespace

void run_gemms(Context& ctx, std::span<const kernels::GemmArgs> products) {
  int64_t total = 0;
  for (const kernels::GemmArgs& args : products) total += work(args);
  // Large products first, so that what is left for the end is small.
  PoolVector<const kernels::GemmArgs*> order(ctx.allocator());
  order.reserve(products.size());
  for (const kernels::GemmArgs& args : products) order.push_back(&args);
  std::sort(order.begin(), order.end(), [](const auto* x, const auto* y) {
    return work(*x) != work(*y) ? work(*x) > work(*y) : x < y;
  });
  const int64_t tasks = kTasksPerThread * ctx.pool().num_threads();
  // Grids have less than twice the blocks that were asked for, and those are no more than products
  // and tasks together: the same room however rows fall to the products.
  PoolVector<Block> blocks(ctx.allocator());
  blocks.reserve(2 * (products.size() + static_cast<size_t>(tasks) + 1));
  for (const kernels::GemmArgs* args : order) {
    // A share of the tasks that goes with the work.
    const int64_t task_work = std::max(kLeastWork, total / tasks);
    const bool alone = ctx.pool().num_threads() == 1;
    cut(*args, alone ? 1 : std::max<int64_t>(1, (work(*args) + task_work / 2) / task_work),
        &blocks);
  }
  ctx.for_tasks(static_cast<int64_t>(blocks.size()), kernels::kGemmScratchBytes,
                [&](int64_t task, std::byte* scratch) {
                  run_block(ctx, blocks[static_cast<size_t>(task)], scratch);
                });
}

}  // namespace cadre::ops
