#include "cli/tuning.h"

#include <cstdlib>
#include <vector>

#include "core/base/file.h"
#include "core/io/fields_io.h"

namespace cadre::cli {
namespace {

struct Record {
  std::string processor;
  std::string kernels;
  int64_t threads = 0;
  Crossovers crossovers;

  void visit_fields(auto&& field) {
    field("processor", processor, "the processor that was measured");
    field("kernels", kernels, "its instruction set");
    field("threads", threads, Interval{0, 4096}, "the number of threads");
    field("crossovers", crossovers, "what was found");
  }
};

}  // namespace

std::filesystem::path tuning_file() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') {
    return std::filesystem::path(cache) / "cadre" / "crossovers.toml";
  }
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return {};
  return std::filesystem::path(home) / ".cache" / "cadre" / "crossovers.toml";
}

void save_tuning(const std::filesystem::path& file, const TuningKey& key,
                 const Crossovers& crossovers) {
  Record record = {key.processor, key.kernels, key.threads, crossovers};
  std::error_code ignored;  // writing the file says what is wrong
  std::filesystem::create_directories(file.parent_path(), ignored);
  write_file_atomically(
      file, "# Written by `cadre bench --tune`.\n" + io::fields_to_toml(io::list_fields(record)));
}

std::optional<Crossovers> load_tuning(const std::filesystem::path& file, const TuningKey& key) {
  std::error_code ignored;
  if (file.empty() || !std::filesystem::is_regular_file(file, ignored)) return std::nullopt;
  Record record;
  io::apply_config(io::read_toml(file), io::list_fields(record));
  if (record.processor != key.processor || record.kernels != key.kernels ||
      record.threads != key.threads) {
    return std::nullopt;
  }
  return record.crossovers;
}

}  // namespace cadre::cli
