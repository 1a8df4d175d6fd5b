// What `cadre convert` expects of a format before it believes what was written.
#include <doctest/doctest.h>

#include <map>
#include <string>

#include "cli/convert.h"
#include "cli/model_input.h"
#include "core/io/gguf.h"
#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "model/format.h"
#include "tests/expect_error.h"
#include "tests/model/machine.h"
#include "tests/scratch_folder.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = "tests/golden/olmoe/plain";

Tensor as_bf16(const Tensor& tensor) {
  const Tensor rounded = Tensor::empty(tensor.shape(), DType::bf16);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    rounded.data<bf16>()[i] = to_bf16(tensor.data<float>()[i]);
  }
  return rounded;
}

}  // namespace

TEST_CASE("convert: with auto, a GGUF file keeps the type of each matrix") {
  Machine machine;
  const ScratchFolder folder;
  const io::SafetensorsSet set = io::SafetensorsSet::open(kModel);
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : set.names()) {
    const bool expert = name.find(".experts.") != std::string::npos;
    tensors[name] = expert ? as_bf16(set.tensor(name)) : set.tensor(name);
  }
  folder.write("config.json", file_content(kModel / "config.json"));
  io::write_safetensors(folder / "model.safetensors", tensors);
  const model::ModelSpec spec = model::read_spec(folder.path());
  const auto weights = model::open_weights(folder.path(), spec);
  const ConvertTarget target = convert_target("gguf", "auto", 1 << 30, *weights, spec);
  const fs::path output = folder / "m.gguf";
  target.write(machine.ctx, folder.path(), output, [](int64_t, int64_t) {});
  const auto file = io::GgufFile::open(output);
  int64_t bytes = 0;
  for (const io::GgufTensor& tensor : file->tensors()) {
    CAPTURE(tensor.name);
    const bool expert = tensor.name.find("_exps") != std::string::npos;
    CHECK(tensor.type->stored == io::StoredType(expert ? DType::bf16 : DType::f32));
    bytes += tensor.bytes;
  }
  CHECK(target.bytes == bytes);
  const auto written = model::open_weights(output, spec);
  model::expect_same_weights(machine.ctx, *weights, *written, [](int64_t, int64_t) {});
}

TEST_CASE("convert: a configuration that comes back as another is refused by what differs") {
  const model::ModelSpec spec = model::read_spec(kModel);
  check_same_spec(spec, spec);
  const auto refusal = [&](const auto& change) {
    model::ModelSpec written = spec;
    change(written);
    return error_of(ErrorKind::unsupported, [&] { check_same_spec(spec, written); });
  };
  CHECK(contains(refusal([](auto& s) { s.eos_token_id += 1; }), "does not keep eos_token_id"));
  CHECK(contains(refusal([](auto& s) { s.pad_token_id = -1; }), "does not keep pad_token_id"));
  CHECK(contains(refusal([](auto& s) { s.rms_norm_eps *= 2; }), "epsilon"));
  CHECK(contains(refusal([](auto& s) { s.blocks[1].attention.window = 8; }), "a layer's"));
  // A token that only what was written knows of, and an epsilon of 0, are no loss.
  model::ModelSpec bare = spec;
  bare.eos_token_id = -1;
  bare.rms_norm_eps = 0.0;
  model::ModelSpec written = spec;
  written.rms_norm_eps = 0.0;
  check_same_spec(bare, written);
}

TEST_CASE("convert: an output that is the model or holds it is refused, whatever its name") {
  const ScratchFolder folder;
  folder.write(".cache/olmoe/config.json", "{}");
  folder.write("..olmoe/config.json", "{}");
  for (const char* name : {".cache/olmoe", "..olmoe"}) {
    for (const fs::path& output : {folder.path(), folder / name, folder / "x/../"}) {
      CHECK(contains(
          error_of(ErrorKind::invalid_input, [&] { expect_outside(folder / name, output); }),
          "holds the model"));
    }
    expect_outside(folder / name, folder / "out");
    expect_outside(folder / name, folder / name / "out");
    expect_outside(folder / name, "a-name-in-the-current-folder");
  }
}

}  // namespace cadre::cli
