#include "cli/runtime.h"

namespace cadre::cli {

int thread_count(int64_t asked) {
  return asked == 0 ? ThreadPool::hardware_threads() : static_cast<int>(asked);
}

Runtime::Runtime(const RuntimeOptions& options)
    : features_(detect_cpu_features()),
      table_(kernels::choose_table(features_, options.kernels)),
      pool_(thread_count(options.threads)),
      allocator_(Allocator::create()),
      context_(pool_, table_, allocator_) {}

}  // namespace cadre::cli
