// A context for tests: a pool, a kernel table and memory of its own.
#pragma once

#include "core/base/cpu_features.h"
#include "core/ops/context.h"

namespace cadre {

struct Machine {
  explicit Machine(const kernels::KernelTable& table, int threads = 2)
      : pool(threads), ctx(pool, table, Allocator::create()) {}
  explicit Machine(int threads = 2)
      : Machine(kernels::choose_table(detect_cpu_features(), "auto"), threads) {}
  ThreadPool pool;
  Context ctx;
};

}  // namespace cadre
