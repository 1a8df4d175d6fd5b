// The files in which Mistral AI publishes its models: params.json, and consolidated.safetensors or
// consolidated.NN.pt.
#include <algorithm>
#include <string>
#include <vector>

#include "core/io/json.h"
#include "core/io/safetensors_set.h"
#include "core/io/torch_file.h"
#include "model/format.h"
#include "model/mistral_names.h"
#include "model/mistral_params.h"

namespace cadre::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kParams = "params.json";

bool matches(const fs::path& place) {
  return fs::is_directory(place) ? fs::is_regular_file(place / kParams)
                                 : place.filename() == kParams;
}

fs::path params_file(const fs::path& place) {
  return fs::is_directory(place) ? place / kParams : place;
}

ModelSpec read_spec(const fs::path& place) {
  return read_mistral_params(io::JsonView::read_file(params_file(place)));
}

// consolidated.00.pt, consolidated.01.pt, ...
std::vector<fs::path> torch_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("consolidated.") && name.ends_with(".pt")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::shared_ptr<const io::TensorSource> open_source(const fs::path& folder) {
  const fs::path whole = folder / "consolidated.safetensors";
  if (fs::exists(whole)) {
    return std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(whole));
  }
  const std::vector<fs::path> files = torch_files(folder);
  if (files.empty()) {
    fail(ErrorKind::not_found, "{}: holds neither consolidated.safetensors nor consolidated.00.pt",
         folder.string());
  }
  return std::make_shared<const io::TorchSet>(files);
}

std::unique_ptr<const Weights> open_weights(const fs::path& place, const ModelSpec& spec) {
  const fs::path folder = params_file(place).parent_path();
  return weights_in(open_source(folder), mistral_layouts(spec), spec, folder);
}

}  // namespace

const Format kMistralFormat = {"Mistral AI's own", kParams, matches, read_spec, open_weights};

}  // namespace cadre::model
