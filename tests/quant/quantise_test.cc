#include <doctest/doctest.h>

#include <algorithm>

#include "core/base/file.h"
#include "core/io/gguf.h"
#include "core/ops/blocks.h"
#include "quant/calibrate.h"
#include "quant/measure.h"
#include "quant/target.h"
#include "quant/write_gguf.h"
#include "tests/quant/quant_case.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

// The stored model and what calibration found.
struct Case {
  Case() : parameters(random_parameters(machine.ctx, quant_spec(), DType::f32, 3)) {
    save_quant_model(machine.ctx, folder.path() / "model");
    weights = model::open_weights(folder.path() / "model", quant_spec());
    const model::Decoder decoder(quant_spec(), parameters);
    importance = std::make_unique<quant::Importance>(
        quant::calibrate(machine.ctx, decoder, quant_tokens(40), {}, {}));
  }
  std::filesystem::path write(Context& ctx, const char* name,
                              const std::vector<quant::OutputTensor>& tensors) {
    const auto file = folder.path() / name;
    quant::write_gguf(ctx, file, *weights, quant_spec(), tensors, BlockType::q4_k, *importance,
                      "case", {}, [](int64_t, int64_t) {});
    return file;
  }

  Machine machine;
  ScratchFolder folder;
  std::shared_ptr<model::Parameters> parameters;
  std::unique_ptr<const model::Weights> weights;
  std::unique_ptr<quant::Importance> importance;
};

int64_t total_bytes(const std::vector<quant::OutputTensor>& tensors) {
  int64_t bytes = 0;
  for (const quant::OutputTensor& tensor : tensors) bytes += tensor.bytes();
  return bytes;
}

TEST_CASE("quantise: every expert's rows are rounded with its own importance") {
  Case c;
  auto tensors = quant::gguf_tensors(quant_spec());
  quant::apply_format(BlockType::q4_k, false, tensors);
  const auto path = c.write(c.machine.ctx, "a.gguf", tensors);
  const auto file = io::GgufFile::open(path);
  CHECK(file->integer("general.file_type") == 15);

  const int64_t p = c.parameters->index_of("blocks.1.experts.gate_up");
  const io::GgufTensor* up = file->find("blk.1.ffn_up_exps.weight");
  REQUIRE(up != nullptr);
  CHECK(up->type->name == "Q4_K");
  const int64_t bytes = block_bytes(BlockType::q4_k, {96, 256});
  for (int64_t e = 0; e < 4; ++e) {
    // Rows of gate stand first in ours.
    const float* rows = c.parameters->tensor(p).data<float>() + (e * 2 + 1) * 96 * 256;
    std::vector<std::byte> expected(static_cast<size_t>(bytes));
    const std::vector<float> columns = c.importance->columns(p, e);
    ops::round_blocks(c.machine.ctx, {rows, 96 * 256}, BlockType::q4_k,
                      {.width = 256, .importance = columns}, expected);
    const auto found = file->bytes(*up).subspan(static_cast<size_t>(e * bytes), expected.size());
    CHECK(std::ranges::equal(found, expected));
  }
}

TEST_CASE("quantise: the same file with any number of threads, and what is kept is kept") {
  Case c;
  auto tensors = quant::gguf_tensors(quant_spec());
  quant::apply_format(BlockType::q3_k, false, tensors);
  Machine three(3);
  const auto a = c.write(c.machine.ctx, "a.gguf", tensors);
  const auto b = c.write(three.ctx, "b.gguf", tensors);
  CHECK(read_text_file(a) == read_text_file(b));

  const model::ModelSpec spec = model::read_spec(a);
  const auto written = model::open_weights(a, spec);
  const auto errors =
      quant::measure_written(c.machine.ctx, *c.weights, *written, *c.importance, {});
  const auto parameters = model::parameter_list(quant_spec());
  for (size_t p = 0; p < parameters.size(); ++p) {
    CAPTURE(parameters[p].name);
    if (model::can_be_packed(parameters[p])) {
      CHECK(errors[p].relative() > 1e-3);
      CHECK(errors[p].relative() < 0.2);
    } else {
      CHECK(errors[p].lost == 0.0);
    }
  }
}

TEST_CASE("quantise: a damaged copy is noticed when it is read back") {
  Case c;
  auto tensors = quant::gguf_tensors(quant_spec());
  quant::apply_format(BlockType::q4_k, false, tensors);
  const auto path = c.write(c.machine.ctx, "a.gguf", tensors);
  std::string bytes = read_text_file(path);
  // The largest f16 in place of a scale of the embedding, the first tensor.
  const auto file = io::GgufFile::open(path);
  const auto first = std::string_view(
      reinterpret_cast<const char*>(file->bytes(file->tensors().front()).data()), 64);
  const size_t at = bytes.find(first);
  REQUIRE(at != std::string::npos);
  bytes[at + 208] = static_cast<char>(0xff);
  bytes[at + 209] = 0x7b;
  write_file_atomically(c.folder.path() / "b.gguf", bytes);
  const model::ModelSpec spec = model::read_spec(c.folder.path() / "b.gguf");
  const auto written = model::open_weights(c.folder.path() / "b.gguf", spec);
  CHECK_THROWS_WITH_AS(
      quant::measure_written(c.machine.ctx, *c.weights, *written, *c.importance, {}),
      doctest::Contains("embedding"), Error);
}

TEST_CASE("quantise: errors of a sample of all rows are those of the whole") {
  Case c;
  auto tensors = quant::gguf_tensors(quant_spec());
  quant::apply_format(BlockType::q4_k, true, tensors);
  const auto path = c.write(c.machine.ctx, "a.gguf", tensors);
  const auto written = model::open_weights(path, model::read_spec(path));
  const auto errors =
      quant::measure_written(c.machine.ctx, *c.weights, *written, *c.importance, {});
  const auto down =
      std::ranges::find(tensors, "blk.0.ffn_down_exps.weight", &quant::OutputTensor::name);
  const io::StoredType types[] = {down->type, BlockType::q8_0};
  const auto sample =
      quant::sample_errors(c.machine.ctx, *c.weights, *c.importance, *down, types, 1 << 20);
  const double whole = errors[static_cast<size_t>(down->parameter)].relative();
  CHECK(sample[0].relative() == doctest::Approx(whole).epsilon(1e-9));
  CHECK(sample[1].relative() < sample[0].relative());
  const auto half =
      quant::sample_errors(c.machine.ctx, *c.weights, *c.importance, *down, types, 48 << 10);
  CHECK(half[0].relative() == doctest::Approx(whole).epsilon(0.1));
}

TEST_CASE("quantise: a size is met by the whole file, its header and tokenizer included") {
  Case c;
  io::GgufMetadata tokenizer;
  tokenizer.set("tokenizer.ggml.tokens", std::vector<std::string>(2000, "twenty bytes of text"));
  auto tensors = quant::gguf_tensors(quant_spec());
  const int64_t overhead = quant::gguf_overhead_bytes(quant_spec(), tensors, "case", tokenizer);
  CHECK(overhead > 40'000);
  const auto file = c.folder.path() / "a.gguf";
  const auto written = [&](const std::vector<quant::OutputTensor>& chosen) {
    quant::write_gguf(c.machine.ctx, file, *c.weights, quant_spec(), chosen, BlockType::q4_k,
                      *c.importance, "case", tokenizer, [](int64_t, int64_t) {});
    return static_cast<int64_t>(std::filesystem::file_size(file));
  };
  for (const int64_t size : {int64_t{600'000}, int64_t{800'000}}) {
    auto chosen = tensors;
    quant::choose_types(c.machine.ctx, *c.weights, *c.importance,
                        std::vector<bool>(tensors.size(), false), 2,
                        {.bytes = size, .overhead = overhead}, chosen, {});
    const int64_t bytes = written(chosen);
    CHECK(bytes <= size);
    CHECK(bytes > size * 98 / 100);
    // No more than alignment is lost.
    CHECK(total_bytes(chosen) + overhead - bytes < 32 * std::ssize(chosen));
  }
  // What is too small is told with the header.
  CHECK_THROWS_WITH_AS(quant::choose_types(c.machine.ctx, *c.weights, *c.importance,
                                           std::vector<bool>(tensors.size(), false), 2,
                                           {.bytes = overhead, .overhead = overhead}, tensors, {}),
                       doctest::Contains("least possible is"), Error);
}

TEST_CASE("quantise: a target is met within a hundredth, and more bytes never lose more") {
  Case c;
  const auto plain = quant::gguf_tensors(quant_spec());
  int64_t elements = 0;
  for (const quant::OutputTensor& tensor : plain) elements += tensor.shape.elements();
  double last = 1e300;
  for (const double bits : {4.6, 6.0}) {
    CAPTURE(bits);
    auto tensors = plain;
    // What is given a format by name keeps it.
    const std::vector<bool> fixed = quant::apply_patterns({"output.weight=q8_0"}, tensors);
    const auto budget = static_cast<int64_t>(bits * static_cast<double>(elements) / 8.0);
    quant::choose_types(c.machine.ctx, *c.weights, *c.importance, fixed, 2, {.bytes = budget},
                        tensors, {});
    CHECK(total_bytes(tensors) <= budget);
    CHECK(static_cast<double>(total_bytes(tensors)) >= 0.99 * static_cast<double>(budget));
    double error = 0.0;
    for (const quant::OutputTensor& tensor : tensors) {
      if (tensor.name == "output.weight") CHECK(tensor.format() == "q8_0");
      if (tensor.group == quant::TensorGroup::kept) continue;
      const io::StoredType types[] = {tensor.type};
      const double relative =
          quant::sample_errors(c.machine.ctx, *c.weights, *c.importance, tensor, types, 1 << 14)
              .front()
              .relative();
      error += quant::tensor_weight(tensor, 2) * relative * relative;
    }
    CHECK(error < last);
    last = error;
  }
}

}  // namespace
}  // namespace cadre
