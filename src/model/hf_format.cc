#include "core/io/float8_source.h"
#include "core/io/json.h"
#include "core/io/packed_integers.h"
#include "core/io/safetensors_set.h"
#include "core/io/torch_file.h"
#include "model/families/family.h"
#include "model/format.h"
#include "model/router_json.h"

namespace cadre::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config.json";

bool matches(const fs::path& place) {
  return fs::is_directory(place)
             ? fs::is_regular_file(place / kConfig)
             : place.extension() == ".json" && place.filename() != "params.json";
}

fs::path config_file(const fs::path& place) {
  return fs::is_directory(place) ? place / kConfig : place;
}

bool has_safetensors(const fs::path& folder) {
  return fs::exists(folder / "model.safetensors") ||
         fs::exists(folder / "model.safetensors.index.json");
}

bool has_weights(const fs::path& folder) {
  return has_safetensors(folder) || fs::exists(folder / "pytorch_model.bin") ||
         fs::exists(folder / "pytorch_model.bin.index.json");
}

// Older directories, and those of Yuan, hold what torch.save wrote.
std::shared_ptr<const io::TensorSource> open_source(const fs::path& folder) {
  const fs::path bin = folder / "pytorch_model.bin";
  const fs::path bin_index = folder / "pytorch_model.bin.index.json";
  const bool safetensors = has_safetensors(folder);
  if (!safetensors && fs::exists(bin)) {
    return std::make_shared<const io::TorchSet>(std::vector<fs::path>{bin});
  }
  if (!safetensors && fs::exists(bin_index)) return io::TorchSet::open_index(bin_index);
  return std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(folder));
}

ModelSpec read_spec(const fs::path& place) {
  const io::JsonView config = io::JsonView::read_file(config_file(place));
  config.expect_object();
  const std::string name = router_family(config);
  const Family& family = name.empty() ? find_family(config) : find_family(name);
  ModelSpec spec = family.read_config(config);
  read_router(config, spec);
  const fs::path folder = config_file(place).parent_path();
  if (family.reconcile != nullptr && has_weights(folder)) {
    family.reconcile(*open_source(folder), spec);
  }
  return spec;
}

std::unique_ptr<const Weights> open_weights(const fs::path& place, const ModelSpec& spec) {
  const fs::path folder = config_file(place).parent_path();
  return weights_in(io::with_packed_integers(io::with_scaled_float8(open_source(folder))),
                    find_family(spec.architecture).layouts, spec, folder);
}

}  // namespace

const Format kHuggingFaceFormat = {"Hugging Face", kConfig, matches, read_spec, open_weights};

}  // namespace cadre::model
