#include "cli/runtime.h"

#include <fmt/format.h>

#include "cli/terminal.h"
#include "core/base/error.h"

namespace cadre::cli {

int thread_count(int64_t asked) {
  return asked == 0 ? ThreadPool::hardware_threads() : static_cast<int>(asked);
}

Runtime::Runtime(const RuntimeOptions& options)
    : features_(detect_cpu_features()),
      table_(kernels::choose_table(features_, options.kernels)),
      pool_(thread_count(options.threads)),
      allocator_(Allocator::create()),
      context_(pool_, table_, allocator_) {
  try {
    if (const auto tuned = load_tuning(tuning_file(), tuning_key())) {
      context_.set_crossovers(*tuned);
    }
  } catch (const Error& error) {
    // It changes no result, so it stops nothing.
    print_error(fmt::format("note: {}; `cadre bench --tune` writes it anew", error.what()));
  }
}

TuningKey Runtime::tuning_key() const {
  return {features_.model_name, std::string(table_.name), pool_.num_threads()};
}

}  // namespace cadre::cli
