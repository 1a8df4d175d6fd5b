#include "core/ops/context.h"

#include <algorithm>
#include <cstring>

namespace cadre {
namespace {

// Small enough to balance the threads, large enough to hide the hand-out of a block.
constexpr int64_t kBytesPerBlock = 64 << 10;

int64_t rows_per_block(int64_t bytes_per_row) {
  return std::max<int64_t>(1, kBytesPerBlock / std::max<int64_t>(1, bytes_per_row));
}

Range block_of(int64_t count, int64_t grain, int64_t block) {
  return {block * grain, std::min(count, (block + 1) * grain)};
}

}  // namespace

Context::Context(ThreadPool& pool, const kernels::KernelTable& table,
                 std::shared_ptr<Allocator> allocator)
    : pool_(pool),
      table_(table),
      allocator_(std::move(allocator)),
      scratch_(static_cast<size_t>(pool.num_threads())) {}

Tensor Context::empty(Shape shape, DType dtype) {
  return Tensor(allocator_->allocate(shape.elements() * dtype_size(dtype)), 0, shape, dtype);
}

Tensor Context::zeros(Shape shape, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  for_rows(tensor.bytes(), 1, [&](Range bytes) {
    std::memset(static_cast<std::byte*>(tensor.raw()) + bytes.begin, 0,
                static_cast<size_t>(bytes.size()));
  });
  return tensor;
}

void Context::for_blocks(int64_t count, int64_t grain, FunctionRef<void(Range)> body) {
  pool_.run((count + grain - 1) / grain,
            [&](int64_t block, int) { body(block_of(count, grain, block)); });
}

void Context::for_rows(int64_t rows, int64_t bytes_per_row, FunctionRef<void(Range)> body) {
  for_blocks(rows, rows_per_block(bytes_per_row), body);
}

void Context::for_rows(int64_t rows, int64_t bytes_per_row, int64_t scratch_bytes,
                       FunctionRef<void(Range, std::byte*)> body) {
  const int64_t grain = rows_per_block(bytes_per_row);
  for_tasks((rows + grain - 1) / grain, scratch_bytes, [&](int64_t block, std::byte* scratch) {
    body(block_of(rows, grain, block), scratch);
  });
}

void Context::for_tasks(int64_t num_tasks, int64_t scratch_bytes,
                        FunctionRef<void(int64_t, std::byte*)> body) {
  for (Tensor& scratch : scratch_) {
    if (scratch.defined() && scratch.bytes() >= scratch_bytes) continue;
    scratch = {};  // give the old one back first
    scratch = empty({std::max<int64_t>(scratch_bytes, 64)}, DType::u8);
  }
  pool_.run(num_tasks, [&](int64_t task, int worker) {
    body(task, static_cast<std::byte*>(scratch_[static_cast<size_t>(worker)].raw()));
  });
}

}  // namespace cadre
