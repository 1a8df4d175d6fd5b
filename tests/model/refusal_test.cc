// A tensor that is missing, left over, misshapen or of a wrong type is refused by name, in every
// format and family that has a golden model.
#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "core/io/torch_file.h"
#include "model/format.h"
#include "model/stored_model.h"
#include "tests/expect_error.h"
#include "tests/model/stored_models.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, Tensor>;

// The names under which a directory may hold its weights, and its configuration.
constexpr const char* kSafetensors[] = {"model.safetensors", "consolidated.safetensors"};

std::shared_ptr<const io::TensorSource> source_of(const fs::path& place) {
  for (const char* name :
       {"model.safetensors", "model.safetensors.index.json", "consolidated.safetensors"}) {
    if (fs::exists(place / name)) {
      return std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(place / name));
    }
  }
  if (fs::exists(place / "pytorch_model.bin.index.json")) {
    return io::TorchSet::open_index(place / "pytorch_model.bin.index.json");
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(place)) {
    const fs::path extension = entry.path().extension();
    if (extension == ".pt" || extension == ".bin") files.push_back(entry.path());
  }
  return std::make_shared<const io::TorchSet>(files);
}

// The model with its tensors changed, as one safetensors file beside its configuration.
std::string refusal(ErrorKind kind, const fs::path& place, const Tensors& tensors) {
  const ScratchFolder folder;
  for (const char* name : {"config.json", "params.json", "config.yaml"}) {
    if (fs::exists(place / name)) fs::copy_file(place / name, folder / name);
  }
  const char* file = kSafetensors[fs::exists(place / "params.json") ? 1 : 0];
  io::write_safetensors(folder / file, tensors);
  return error_of(kind,
                  [&] { model::open_weights(folder.path(), model::read_spec(folder.path())); });
}

// Names as messages have them: those of the OLMo trainer are decoded first.
bool names(const std::string& message, const std::string& name) {
  return contains(message, "\"" + name + "\"") || name.starts_with("gA");
}

}  // namespace

TEST_CASE("open: in every stored model a wrong tensor is refused by name") {
  const std::vector<fs::path> places = stored_models();
  REQUIRE(places.size() >= 10);
  for (const fs::path& place : places) {
    CAPTURE(place.string());
    const auto source = source_of(place);
    Tensors whole;
    for (const std::string& name : source->names()) whole[name] = source->tensor(name);
    // The first, one in the middle and the last by name.
    const std::vector<std::string> all = source->names();
    const bool tied = model::read_spec(place).tied_embeddings;
    for (const std::string& name : {all.front(), all[all.size() / 2], all.back()}) {
      CAPTURE(name);
      // A tied model may lack its head.
      if (!(tied && name == "lm_head.weight")) {
        Tensors missing = whole;
        missing.erase(name);
        CHECK(names(refusal(ErrorKind::corrupt_data, place, missing), name));
      }
      Tensors misshapen = whole;
      misshapen[name] = Tensor::zeros({7, 3}, whole[name].dtype());
      const std::string message = refusal(ErrorKind::corrupt_data, place, misshapen);
      CHECK(names(message, name));
      CHECK(contains(message, "is [7, 3], expected ["));
      Tensors mistyped = whole;
      mistyped[name] = Tensor::zeros(whole[name].shape(), DType::i64);
      CHECK(names(refusal(ErrorKind::unsupported, place, mistyped), name));
    }
    Tensors left_over = whole;
    left_over["model.layers.0.surprise.weight"] = Tensor::zeros({2}, DType::f32);
    const std::string message = refusal(ErrorKind::corrupt_data, place, left_over);
    CHECK(contains(message, "\"model.layers.0.surprise.weight\" [2] has no place"));
  }
}

TEST_CASE("open: an index that disagrees with its shards is refused by name") {
  const fs::path source = "tests/golden/olmoe/all_experts";
  const auto refuse = [&](const std::string& from, const std::string& to) {
    const ScratchFolder folder;
    for (const auto& entry : fs::directory_iterator(source)) {
      fs::copy_file(entry.path(), folder / entry.path().filename().string());
    }
    std::string index = file_content(source / "model.safetensors.index.json");
    REQUIRE(contains(index, from));
    index.replace(index.find(from), from.size(), to);
    folder.write("model.safetensors.index.json", index);
    const model::ModelSpec spec = model::read_spec(folder.path());
    return error_of(ErrorKind::corrupt_data, [&] { model::open_weights(folder.path(), spec); });
  };
  CHECK(contains(refuse("\"lm_head.weight\"", "\"lm_head.wait\""), "lm_head.wa"));
  CHECK(contains(refuse("model-00001-of-00005.safetensors", "model-00002-of-00005.safetensors"),
                 "lm_head.weight"));
}

}  // namespace cadre
