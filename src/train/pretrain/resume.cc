#include "train/pretrain/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/fields_io.h"
#include "core/io/toml.h"

namespace cadre::train {
namespace {

constexpr std::string_view kChangeable[] = {"run.steps", "run.minutes", "data.dataset"};
// Under [run], what weights depend on besides.
constexpr std::string_view kBinding[] = {"run.seed", "run.precision", "run.dropout"};

}  // namespace

SettingRole role_of_setting(std::string_view key) {
  if (std::ranges::find(kChangeable, key) != std::end(kChangeable)) return SettingRole::changeable;
  const bool decides =
      !key.starts_with("run.") || std::ranges::find(kBinding, key) != std::end(kBinding);
  return decides ? SettingRole::binding : SettingRole::bystander;
}

void save_config(const std::filesystem::path& file, const TrainConfig& config) {
  TrainConfig copy = config;
  write_file_atomically(file, io::fields_to_toml(io::list_fields(copy)));
}

TrainConfig read_config(const std::filesystem::path& file) {
  TrainConfig config;
  io::apply_config(io::read_toml(file), io::list_fields(config));
  return config;
}

void expect_same_run(const TrainConfig& before, const TrainConfig& now, const std::string& where) {
  TrainConfig left = before;
  TrainConfig right = now;
  const std::vector<io::Field> old_fields = io::list_fields(left);
  const std::vector<io::Field> new_fields = io::list_fields(right);
  for (size_t i = 0; i < old_fields.size(); ++i) {
    if (role_of_setting(old_fields[i].name) != SettingRole::binding) continue;
    const io::ConfigValue old_value = io::field_value(old_fields[i]);
    const io::ConfigValue new_value = io::field_value(new_fields[i]);
    if (old_value == new_value) continue;
    fail(ErrorKind::invalid_input,
         "{}: {} = {}, but the run began with {}; to change it, start another run", where,
         new_fields[i].name, io::toml_text(new_value), io::toml_text(old_value));
  }
}

}  // namespace cadre::train
