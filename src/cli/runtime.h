// What commands that compute need from the machine, made from flags.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cli/tuning.h"
#include "core/base/cpu_features.h"
#include "core/base/fields.h"
#include "core/base/thread_pool.h"
#include "core/kernels/table.h"
#include "core/ops/context.h"

namespace cadre::cli {

struct RuntimeOptions {
  int64_t threads = 0;
  std::string kernels = "auto";

  void visit_fields(auto&& field) {
    field("threads", threads, Interval{0, 4096}, "0 takes all that this machine offers");
    field("kernels", kernels, Choices{{"auto", "scalar", "avx2", "avx512", "avx512_bf16", "amx"}},
          "instruction set; auto takes the fastest this processor has");
  }
};

// How many threads --threads asks for.
int thread_count(int64_t asked);

// Owns the pool, the allocator and a context on them, with the crossovers that were measured for it
// if any were (cli/tuning.h); the kernel table lives as long as the program. Throws
// Error(invalid_input) if the processor lacks the instruction set.
class Runtime {
 public:
  explicit Runtime(const RuntimeOptions& options);

  const CpuFeatures& features() const { return features_; }
  const kernels::KernelTable& table() const { return table_; }
  ThreadPool& pool() { return pool_; }
  const std::shared_ptr<Allocator>& allocator() const { return allocator_; }
  Context& context() { return context_; }
  TuningKey tuning_key() const;

 private:
  CpuFeatures features_;
  const kernels::KernelTable& table_;
  ThreadPool pool_;
  std::shared_ptr<Allocator> allocator_;
  Context context_;
};

}  // namespace cadre::cli
