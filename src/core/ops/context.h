// What would otherwise be global: threads, kernels, memory, and the tape if there is one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/function_ref.h"
#include "core/base/range.h"
#include "core/base/thread_pool.h"
#include "core/kernels/table.h"
#include "core/ops/crossovers.h"
#include "core/ops/linear_observer.h"
#include "core/ops/tape.h"
#include "core/tensor/tensor.h"

namespace cadre {

// Passed to every op and layer. Belongs to one thread, the one that calls ops.
class Context {
 public:
  // The pool, the table and the allocator must outlive the context.
  Context(ThreadPool& pool, const kernels::KernelTable& table,
          std::shared_ptr<Allocator> allocator);

  ThreadPool& pool() { return pool_; }
  const kernels::KernelTable& kernels() const { return table_; }
  Allocator& allocator() { return *allocator_; }

  // Uninitialised and zeroed memory from the allocator.
  Tensor empty(Shape shape, DType dtype);
  Tensor empty_like(const Tensor& x) { return empty(x.shape(), x.dtype()); }
  Tensor zeros(Shape shape, DType dtype);

  // Divides [0, count) into blocks of `grain` (the last may be shorter) and runs them on the pool.
  // Which block an index falls into depends on count and grain alone.
  void for_blocks(int64_t count, int64_t grain, FunctionRef<void(Range)> body);
  // for_blocks for rows of a kernel: the grain follows from the bytes that a row touches.
  void for_rows(int64_t rows, int64_t bytes_per_row, FunctionRef<void(Range)> body);
  // Runs body(task, scratch) for every task in [0, num_tasks), each with a 64-byte aligned scratch
  // of at least scratch_bytes that belongs to the running worker.
  void for_tasks(int64_t num_tasks, int64_t scratch_bytes,
                 FunctionRef<void(int64_t task, std::byte* scratch)> body);
  // for_rows with a scratch for each block, as for_tasks has it.
  void for_rows(int64_t rows, int64_t bytes_per_row, int64_t scratch_bytes,
                FunctionRef<void(Range, std::byte* scratch)> body);

  // The tape that ops record on; null in inference, where nothing is kept.
  Tape* tape() { return tape_; }
  bool recording() const { return tape_ != nullptr; }
  // Makes `tape` the current one while the scope lives; null pauses recording.
  class TapeScope {
   public:
    TapeScope(Context& ctx, Tape* tape) : ctx_(ctx), previous_(ctx.tape_) { ctx.tape_ = tape; }
    ~TapeScope() { ctx_.tape_ = previous_; }
    TapeScope(const TapeScope&) = delete;
    TapeScope& operator=(const TapeScope&) = delete;

   private:
    Context& ctx_;
    Tape* previous_;
  };

  // Who is shown the inputs of linear layers; null as a rule. The caller keeps it alive.
  LinearObserver* observer() const { return observer_; }
  void set_observer(LinearObserver* observer) { observer_ = observer; }

  // Which way of several to compute with, never what comes out.
  const Crossovers& crossovers() const { return crossovers_; }
  void set_crossovers(const Crossovers& crossovers) { crossovers_ = crossovers; }

 private:
  ThreadPool& pool_;
  const kernels::KernelTable& table_;
  std::shared_ptr<Allocator> allocator_;
  std::vector<Tensor> scratch_;  // one per worker, grown on demand
  Tape* tape_ = nullptr;
  LinearObserver* observer_ = nullptr;
  Crossovers crossovers_;
};

}  // namespace cadre
