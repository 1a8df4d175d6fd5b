#include "quant/importance_file.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/base/file.h"
#include "core/io/gguf_writer.h"
#include "quant/calibrate.h"
#include "tests/quant/quant_case.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

quant::Importance some_importance(Machine& machine) {
  const model::Decoder decoder(quant_spec(),
                               random_parameters(machine.ctx, quant_spec(), DType::f32, 3));
  return quant::calibrate(machine.ctx, decoder, quant_tokens(40), {}, {});
}

// A file with one pair of tensors.
void write_pair(const std::filesystem::path& file, const std::string& name, Shape sums,
                std::vector<float> values, const char* type = "imatrix") {
  io::GgufMetadata metadata;
  metadata.set("general.type", std::string(type));
  const io::GgmlType& f32 = io::ggml_type(DType::f32);
  const int64_t matrices = sums.dim(0);
  io::GgufWriter writer(file, metadata,
                        {{name + ".in_sum2", sums, &f32}, {name + ".counts", {matrices, 1}, &f32}});
  values.resize(static_cast<size_t>(sums.elements()), 1.0f);
  writer.write(name + ".in_sum2", std::as_bytes(std::span(values)));
  const std::vector<float> counts(static_cast<size_t>(matrices), 7.0f);
  writer.write(name + ".counts", std::as_bytes(std::span(counts)));
  writer.finish();
}

TEST_CASE("importance file: what was saved is loaded, in the precision of f32") {
  Machine machine;
  const ScratchFolder folder;
  const quant::Importance saved = some_importance(machine);
  quant::save_importance(folder.path() / "i.gguf", saved, quant_spec(), {"text.txt", 1, 64});
  const quant::Importance loaded = quant::load_importance(folder.path() / "i.gguf", quant_spec());
  for (size_t p = 0; p < saved.parameters().size(); ++p) {
    const auto index = static_cast<int64_t>(p);
    CAPTURE(saved.parameters()[p].name);
    CHECK(loaded.of(index).matrices == saved.of(index).matrices);
    CHECK(loaded.of(index).columns == saved.of(index).columns);
    CHECK(loaded.of(index).tokens == saved.of(index).tokens);
    REQUIRE(loaded.of(index).squares.size() == saved.of(index).squares.size());
    for (size_t i = 0; i < saved.of(index).squares.size(); ++i) {
      CHECK(loaded.of(index).squares[i] == static_cast<float>(saved.of(index).squares[i]));
    }
  }
  const auto file = io::GgufFile::open(folder.path() / "i.gguf");
  CHECK(file->string("general.type") == "imatrix");
  CHECK(file->integer("imatrix.chunk_size") == 64);
  // Gate and up meet the same inputs.
  CHECK(file->find("blk.0.ffn_gate_exps.weight.in_sum2")->shape == Shape{4, 256});
  CHECK(file->find("blk.0.ffn_up_exps.weight.counts")->shape == Shape{4, 1});
}

TEST_CASE("importance file: one of another model, or damaged, is refused by name") {
  const ScratchFolder folder;
  const auto file = folder.path() / "i.gguf";
  const auto load = [&] { quant::load_importance(file, quant_spec()); };
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("i.gguf"), Error);
  write_pair(file, "blk.0.attn_q.weight", {1, 256}, {}, "model");
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("expected \"imatrix\""), Error);
  write_pair(file, "blk.9.attn_q.weight", {1, 256}, {});
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("no place"), Error);
  write_pair(file, "blk.0.attn_q.weight", {1, 128}, {});
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("another model"), Error);
  write_pair(file, "blk.0.attn_q.weight", {1, 256}, {1.0f, -2.0f});
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("-2"), Error);
  write_pair(file, "blk.0.attn_q.weight", {1, 256}, {NAN});
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("expected numbers"), Error);
  write_pair(file, "blk.0.attn_q.weight", {1, 256}, {});
  const quant::Importance importance = quant::load_importance(file, quant_spec());
  const auto parameters = model::parameter_list(quant_spec());
  int64_t known = 0;
  for (size_t p = 0; p < parameters.size(); ++p) known += importance.knows(static_cast<int64_t>(p));
  CHECK(known == 1);
}

}  // namespace
}  // namespace cadre
