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

// Under [run], what the bits of the weights depend on.
constexpr std::string_view kBinding[] = {"run.seed", "run.precision", "run.dropout"};

bool is_free(const std::string& key) {
  return key.starts_with("run.") &&
         std::find(std::begin(kBinding), std::end(kBinding), key) == std::end(kBinding);
}

}  // namespace

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
    if (is_free(old_fields[i].name)) continue;
    const io::ConfigValue old_value = io::field_value(old_fields[i]);
    const io::ConfigValue new_value = io::field_value(new_fields[i]);
    if (old_value == new_value) continue;
    fail(ErrorKind::invalid_input,
         "{}: {} = {}, but the run began with {}; to change it, start another run", where,
         new_fields[i].name, io::toml_text(new_value), io::toml_text(old_value));
  }
}

}  // namespace cadre::train
