// What ties a run folder to the configuration that continues it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "train/pretrain/config.h"

namespace cadre::train {

// Writes the configuration as TOML.
void save_config(const std::filesystem::path& file, const TrainConfig& config);
// Reads a TOML file over the defaults. Throws Error(invalid_input), naming file, line and key.
TrainConfig read_config(const std::filesystem::path& file);

// What a setting is to a run.
enum class SettingRole {
  binding,     // decides the weights, so a run keeps it
  changeable,  // decides the weights, yet a run may go on with another: its length, which the
               // schedule of the learning rate follows from then on, and the place of its data,
               // whose content the fingerprint in checkpoints guards
  bystander,   // decides no weight: where the run lives, what it shows, how often it saves
};
SettingRole role_of_setting(std::string_view key);

// Throws Error(invalid_input), naming the key, if a run that began with `before` cannot go on as
// `now`: all binding settings must agree.
void expect_same_run(const TrainConfig& before, const TrainConfig& now, const std::string& where);

}  // namespace cadre::train
