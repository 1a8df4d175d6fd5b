// What `cadre bench --tune` found out about this machine, kept for the commands that compute.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/ops/crossovers.h"

namespace cadre::cli {

// The machine that a record speaks of; on another one it is not used.
struct TuningKey {
  std::string processor;
  std::string kernels;
  int64_t threads = 0;
};

// $XDG_CACHE_HOME/cadre/crossovers.toml, or the same under ~/.cache; empty without either.
std::filesystem::path tuning_file();

// Written whole or not at all. Throws as write_file_atomically.
void save_tuning(const std::filesystem::path& file, const TuningKey& key,
                 const Crossovers& crossovers);

// Nothing if there is no record, or one of another machine. Throws Error(invalid_input), naming
// file and line, for a record that was damaged.
std::optional<Crossovers> load_tuning(const std::filesystem::path& file, const TuningKey& key);

}  // namespace cadre::cli
