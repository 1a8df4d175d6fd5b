#include "core/io/json.h"
#include "core/io/safetensors_set.h"
#include "model/families/family.h"
#include "model/format.h"

namespace cadre::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config.json";

bool matches(const fs::path& place) {
  return fs::is_directory(place) ? fs::is_regular_file(place / kConfig)
                                 : place.extension() == ".json";
}

fs::path config_file(const fs::path& place) {
  return fs::is_directory(place) ? place / kConfig : place;
}

ModelSpec read_spec(const fs::path& place) {
  const io::JsonView config = io::JsonView::read_file(config_file(place));
  config.expect_object();
  return find_family(config).read_config(config);
}

std::unique_ptr<const Weights> open_weights(const fs::path& place, const ModelSpec& spec) {
  const fs::path folder = config_file(place).parent_path();
  auto source = std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(folder));
  return weights_in(std::move(source), find_family(spec.architecture).layouts, spec, folder);
}

}  // namespace

const Format kHuggingFaceFormat = {"Hugging Face", kConfig, matches, read_spec, open_weights};

}  // namespace cadre::model
