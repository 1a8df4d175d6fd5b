#include "core/ops/gemm_tasks.h"

#include <algorithm>
#include <vector>

namespace cadre::ops {
namespace {

// Large blocks pack each operand seldom; beyond these sizes little is left to win.
constexpr int64_t kMaxRows = 512;
constexpr int64_t kMaxColumns = 256;
constexpr int64_t kMinBlock = 64;
// So many tasks of equal size for each thread keep the last one from waiting long.
constexpr int64_t kTasksPerThread = 4;

struct Block {
  const kernels::GemmArgs* product;
  Range rows;
  Range columns;
};

int64_t work(const kernels::GemmArgs& args) {
  return args.m * args.n * std::max<int64_t>(args.k, 1);
}

int64_t half_block(int64_t size) { return std::max(kMinBlock, (size / 2 + 15) / 16 * 16); }

// Cuts one product into blocks of about `task_work` or the largest size, whichever is smaller.
void cut(const kernels::GemmArgs& args, int64_t task_work, std::vector<Block>* blocks) {
  int64_t rows = std::min(args.m, kMaxRows);
  int64_t columns = std::min(args.n, kMaxColumns);
  const int64_t depth = std::max<int64_t>(args.k, 1);
  while (rows * columns * depth > task_work && (rows > kMinBlock || columns > kMinBlock)) {
    if (rows > columns) {
      rows = half_block(rows);
    } else {
      columns = half_block(columns);
    }
  }
  for (int64_t j = 0; j < args.n; j += columns) {
    for (int64_t i = 0; i < args.m; i += rows) {
      blocks->push_back(
          {&args, {i, std::min(args.m, i + rows)}, {j, std::min(args.n, j + columns)}});
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
  const int64_t task_work = total / (kTasksPerThread * ctx.pool().num_threads());
  // Large products first, so that what is left for the end is small.
  std::vector<const kernels::GemmArgs*> order;
  for (const kernels::GemmArgs& args : products) order.push_back(&args);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* x, const auto* y) { return work(*x) > work(*y); });
  std::vector<Block> blocks;
  for (const kernels::GemmArgs* args : order) cut(*args, task_work, &blocks);
  ctx.for_tasks(static_cast<int64_t>(blocks.size()), kernels::kGemmScratchBytes,
                [&](int64_t task, std::byte* scratch) {
                  run_block(ctx, blocks[static_cast<size_t>(task)], scratch);
                });
}

}  // namespace cadre::ops
