// What ties a run folder to the configuration that continues it.
#pragma once

#include <filesystem>
#include <string>

#include "train/pretrain/config.h"

namespace cadre::train {

// Writes the configuration as TOML.
void save_config(const std::filesystem::path& file, const TrainConfig& config);
// Reads a TOML file over the defaults. Throws Error(invalid_input), naming file, line and key.
TrainConfig read_config(const std::filesystem::path& file);

// Throws Error(invalid_input), naming the key, if a run that began with `before` cannot go on as
// `now` with the same bits: everything must agree but what is under [run] and changes no weight.
void expect_same_run(const TrainConfig& before, const TrainConfig& now, const std::string& where);

}  // namespace cadre::train
