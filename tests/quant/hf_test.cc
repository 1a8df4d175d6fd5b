#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/file.h"
#include "core/base/random.h"
#include "core/io/safetensors.h"
#include "model/expert_cache.h"
#include "quant/calibrate.h"
#include "quant/measure.h"
#include "quant/write_hf.h"
#include "tests/quant/quant_case.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

struct Case {
  Case() {
    save_quant_model(machine.ctx, folder.path() / "model");
    weights = model::open_weights(folder.path() / "model", quant_spec());
    const model::Decoder decoder(quant_spec(),
                                 random_parameters(machine.ctx, quant_spec(), DType::f32, 3));
    importance = std::make_unique<quant::Importance>(
        quant::calibrate(machine.ctx, decoder, quant_tokens(40), {}, {}));
  }
  std::filesystem::path write(Context& ctx, const char* name,
                              const quant::HfQuantiseOptions& options) {
    const auto place = folder.path() / name;
    std::filesystem::create_directories(place);
    model::write_config_files(place, quant_spec(), DType::f32);
    quant::write_hf_quantised(ctx, place, *weights, quant_spec(), options, *importance,
                              [](int64_t, int64_t) {});
    return place;
  }
  // The largest error of a rounded parameter.
  double worst(const std::filesystem::path& place) {
    const auto written = model::open_weights(place, quant_spec());
    const auto errors = quant::measure_written(machine.ctx, *weights, *written, *importance, {});
    double worst = 0.0;
    for (const quant::RoundingError& error : errors) worst = std::max(worst, error.relative());
    return worst;
  }

  Machine machine;
  ScratchFolder folder;
  std::unique_ptr<const model::Weights> weights;
  std::unique_ptr<quant::Importance> importance;
};

quant::HfQuantiseOptions options_of(const char* scheme, int64_t group = 32, bool zero = false) {
  quant::HfQuantiseOptions options;
  REQUIRE(quant::set_hf_scheme(scheme, options));
  options.integers.group = group;
  options.integers.symmetric = !zero;
  return options;
}

TEST_CASE("Hugging Face folders in few bits: what is written is read, as far off as its bits say") {
  Case c;
  const double fp8 = c.worst(c.write(c.machine.ctx, "fp8", options_of("fp8")));
  CHECK(fp8 > 0.01);
  CHECK(fp8 < 0.03);
  const double int8 = c.worst(c.write(c.machine.ctx, "int8", options_of("int8")));
  CHECK(int8 < 0.008);
  const double int4 = c.worst(c.write(c.machine.ctx, "int4", options_of("int4")));
  CHECK(int4 > 0.05);
  CHECK(int4 < 0.1);
  const double zero = c.worst(c.write(c.machine.ctx, "zero", options_of("int4", 32, true)));
  CHECK(zero < int4);
  const double wide = c.worst(c.write(c.machine.ctx, "wide", options_of("int4", 96)));
  CHECK(wide > int4);
  // Integers with scales become blocks that kernels compute with.
  const auto written = model::open_weights(c.folder.path() / "int4", quant_spec());
  const auto parameters = model::parameter_list(quant_spec());
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].kind != model::ParameterKind::expert) continue;
    CHECK(written->block_type(static_cast<int64_t>(p)) == BlockType::q4_0);
  }
}

TEST_CASE("Hugging Face folders in few bits: the same bits where experts are read when needed") {
  Case c;
  const auto place = c.write(c.machine.ctx, "int4", options_of("int4"));
  model::LoadOptions options = {.compute = DType::f32};
  const auto whole = model::load_model(c.machine.ctx, place, options);
  options.memory_bytes = whole.parameters->bytes() - 1;
  const auto limited = model::load_model(c.machine.ctx, place, options);
  REQUIRE(limited.experts != nullptr);
  const int64_t start = 0;
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto input = model::packed_input({3, 1, 4, 1, 5, 9, 2, 6}, {&start, 1});
    const Tensor want = whole.decoder->hidden(c.machine.ctx, input, nullptr);
    const Tensor got = limited.decoder->hidden(c.machine.ctx, input, nullptr);
    CHECK(std::memcmp(want.raw(), got.raw(), static_cast<size_t>(want.bytes())) == 0);
  }
  CHECK(limited.experts->statistics().read_bytes > 0);
}

TEST_CASE("Hugging Face folders in few bits: the same bytes with any number of threads") {
  Case c;
  Machine three(3);
  for (const char* scheme : {"int4", "fp8"}) {
    const auto a = c.write(c.machine.ctx, "a", options_of(scheme));
    const auto b = c.write(three.ctx, "b", options_of(scheme));
    CHECK(read_text_file(a / "model.safetensors") == read_text_file(b / "model.safetensors"));
  }
}

TEST_CASE("Hugging Face folders in few bits: names and bytes are those that were announced") {
  Case c;
  const auto options = options_of("int4", 32, true);
  const auto tensors = quant::planned_hf_tensors(*c.weights, quant_spec(), options);
  const auto place = c.write(c.machine.ctx, "a", options);
  const auto file = io::SafetensorsFile::open(place / "model.safetensors");
  int64_t announced = 0;
  for (const quant::OutputTensor& tensor : tensors) {
    announced += tensor.bytes();
    CHECK(file->find(tensor.name + (tensor.scheme.empty() ? "" : "_packed")) != nullptr);
  }
  int64_t bytes = 0;
  for (const io::TensorInfo& info : file->tensors()) bytes += info.end - info.begin;
  CHECK(bytes == announced);
  const std::string config = quant::quantization_config(tensors, options).dump();
  CHECK(config.find("\"pack-quantized\"") != std::string::npos);
  CHECK(config.find("\"model.layers.0.mlp.gate\"") != std::string::npos);
  CHECK(config.find("\"lm_head\"") != std::string::npos);
  CHECK(config.find("q_proj") == std::string::npos);
}

TEST_CASE("round_groups: least squares is no worse than the largest value's scale") {
  Machine machine;
  RandomStream random(4);
  std::vector<float> x;
  for (int i = 0; i < 8 * 128; ++i) x.push_back(0.02f * static_cast<float>(random.normal()));
  std::vector<float> importance;
  for (int i = 0; i < 128; ++i) importance.push_back(0.1f + random.uniform());
  for (const int bits : {4, 8}) {
    for (const int64_t group : {32, 128}) {
      const auto rounded =
          quant::round_groups(machine.ctx, x, 128, importance, {bits, group, true});
      const float high = bits == 4 ? 7.0f : 127.0f;
      double searched = 0.0;
      double plain = 0.0;
      for (size_t i = 0; i < x.size(); ++i) {
        const size_t g = i / static_cast<size_t>(group);
        float largest = 0.0f;
        for (size_t k = 0; k < static_cast<size_t>(group); ++k) {
          largest = std::max(largest, std::fabs(x[g * static_cast<size_t>(group) + k]));
        }
        const double w = importance[i % 128];
        const double found = static_cast<double>(rounded.scales[g]) * rounded.quants[i] - x[i];
        const double scale = largest / high;
        const double nearest = scale * std::nearbyint(x[i] / scale) - x[i];
        searched += w * found * found;
        plain += w * nearest * nearest;
      }
      CHECK(searched < plain);
    }
  }
  std::vector<float> wild(128, 1.0f);
  wild[3] = NAN;
  wild[40] = INFINITY;
  for (const bool symmetric : {true, false}) {
    const auto rounded = quant::round_groups(machine.ctx, wild, 128, {}, {4, 32, symmetric});
    for (const int8_t q : rounded.quants) CHECK((q >= -8 && q <= 7));
  }
}

}  // namespace
}  // namespace cadre
