// Models whose matrices are held in few bits.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "model/pass_cost.h"
#include "tests/expect_error.h"
#include "tests/model/gguf_case.h"
#include "tests/model/machine.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

using model::LoadOptions;
using model::WeightFormat;

Tensor logits_of(Context& ctx, const model::LoadedModel& loaded, std::vector<int32_t> tokens) {
  const int64_t start = 0;
  const auto input = model::packed_input(std::move(tokens), {&start, 1});
  return loaded.decoder->logits(ctx, loaded.decoder->hidden(ctx, input, nullptr));
}

const std::vector<int32_t> kTokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3};

LoadOptions packed_as(PackedFormat format, DType compute = DType::f32) {
  return {.compute = compute, .format = WeightFormat::packed, .packed = format};
}

TEST_CASE("packed model: blocks of a GGUF file and rounding while loading give the same bits") {
  const ScratchFolder folder;
  Machine machine;
  Context& ctx = machine.ctx;
  for (const char* architecture : {"olmoe", "llama", "arctic", "qwen2moe"}) {
    for (const PackedFormat format : {PackedFormat::q8_0, PackedFormat::q4_0}) {
      CAPTURE(architecture);
      CAPTURE(packed_format_name(format));
      const model::ModelSpec spec = gguf_model(architecture, true);
      const auto parameters = random_parameters(ctx, spec, DType::f32, 1);
      const auto exact =
          write_gguf(ctx, folder / "f32.gguf", spec, *parameters, {.matrices = DType::f32});
      const auto blocks = write_gguf(ctx, folder / "blocks.gguf", spec, *parameters,
                                     {.matrices = block_type(format)});
      const auto rounded = model::load_model(ctx, exact, packed_as(format));
      const auto stored = model::load_model(ctx, blocks, LoadOptions{.compute = DType::f32});
      const auto dense = model::load_model(ctx, blocks, DType::f32);
      // A q4_0 file has its embedding and head in q8_0.
      const bool same_head = format == PackedFormat::q8_0;
      int64_t packed = 0;
      for (int64_t p = 0; p < parameters->size(); ++p) {
        const ops::Weight& a = rounded.parameters->weight(p);
        const ops::Weight& b = stored.parameters->weight(p);
        const auto kind = parameters->specs()[static_cast<size_t>(p)].kind;
        const bool embedded =
            kind == model::ParameterKind::embedding || kind == model::ParameterKind::head;
        if (embedded && (!same_head || !a.packed.defined())) continue;
        REQUIRE(a.packed.defined() == b.packed.defined());
        if (!a.packed.defined()) continue;
        ++packed;
        CHECK(a.packed.format == format);
        CHECK(std::memcmp(a.packed.storage->data, b.packed.storage->data,
                          static_cast<size_t>(a.packed.bytes())) == 0);
      }
      CHECK(packed >= 2 * 6);
      CHECK(stored.parameters->bytes() < dense.parameters->bytes() / 3);
      const Tensor want = logits_of(ctx, dense, kTokens);
      const Tensor got = logits_of(ctx, stored, kTokens);
      double error = 0.0, size = 0.0;
      for (int64_t i = 0; i < want.elements(); ++i) {
        error += std::pow(double{got.data<float>()[i]} - want.data<float>()[i], 2);
        size += std::pow(double{want.data<float>()[i]}, 2);
      }
      // Activations in 8 bits; a router may turn a near tie.
      CHECK(std::sqrt(error / size) < 0.05);
      CHECK(error > 0.0);
    }
  }
}

TEST_CASE("packed model: losses are those of its logits, and an embedding is its blocks") {
  const ScratchFolder folder;
  Machine machine;
  Context& ctx = machine.ctx;
  const model::ModelSpec spec = gguf_model("arctic", true);  // tied
  const auto parameters = random_parameters(ctx, spec, DType::f32, 1);
  const auto file =
      write_gguf(ctx, folder / "m.gguf", spec, *parameters, {.matrices = BlockType::q8_0});
  const auto packed = model::load_model(ctx, file, LoadOptions{.compute = DType::f32});
  const auto dense = model::load_model(ctx, file, DType::f32);
  REQUIRE(packed.parameters->weight("embedding").packed.defined());
  const Tensor rows =
      ops::embedding(ctx, packed.parameters->weight("embedding"), kTokens, DType::f32);
  CHECK(same_values(
      rows, ops::embedding(ctx, dense.parameters->weight("embedding"), kTokens, DType::f32)));
  const int64_t start = 0;
  const auto input = model::packed_input(kTokens, {&start, 1});
  const Tensor hidden = packed.decoder->hidden(ctx, input, nullptr);
  const Tensor logits = packed.decoder->logits(ctx, hidden);
  std::vector<int32_t> targets(kTokens.begin() + 1, kTokens.end());
  targets.push_back(-1);
  const std::vector<float> weights(targets.size(), 1.0f);
  const auto loss = packed.decoder->loss(ctx, hidden, targets, weights);
  double sum = 0.0;
  for (size_t n = 0; n < targets.size(); ++n) {
    if (targets[n] < 0) {
      CHECK(loss.token_losses[n] == 0.0f);
      continue;
    }
    const float* z = logits.data<float>() + static_cast<int64_t>(n) * spec.vocab_size;
    double total = 0.0;
    for (int64_t v = 0; v < spec.vocab_size; ++v) total += std::exp(double{z[v]});
    const double want = std::log(total) - z[targets[n]];
    CHECK(loss.token_losses[n] == doctest::Approx(want).epsilon(1e-5));
    sum += want;
  }
  CHECK(loss.loss.data<float>()[0] == doctest::Approx(sum).epsilon(1e-5));
}

TEST_CASE("packed model: random models are of the format asked, and count their bytes") {
  Machine machine;
  const model::ModelSpec spec = gguf_model("olmoe", true);
  const auto packed = model::random_model(machine.ctx, spec, packed_as(PackedFormat::q4_0), 1);
  CHECK(packed.parameters->weight("head").packed.format == PackedFormat::q4_0);
  CHECK(packed.parameters->weight("embedding").dense.defined());
  const Tensor logits = logits_of(machine.ctx, packed, kTokens);
  for (const float z : logits.span<float>()) REQUIRE(std::isfinite(z));
  // All experts, one token: every weight once.
  const model::PassSequence one = {1, 9};
  const auto all = model::pass_cost(spec, *packed.parameters, {&one, 1}, 1, nullptr);
  const double embedding = 61 * 64 * 4;
  const double cache = 2 * 10 * 2 * 2 * 16 * 4;  // layers, length, both, heads, width, bytes
  CHECK(all.bytes == static_cast<double>(packed.parameters->bytes()) - embedding + cache);
  nn::ForwardTrace trace;
  const int64_t start = 0;
  packed.decoder->hidden(machine.ctx, model::packed_input({7}, {&start, 1}), &trace);
  const auto some = model::pass_cost(spec, *packed.parameters, {&one, 1}, 1, &trace);
  const auto& experts = packed.parameters->weight("blocks.0.experts.gate_up").packed;
  const auto& down = packed.parameters->weight("blocks.0.experts.down").packed;
  const double idle = 2.0 * static_cast<double>(experts.bytes() + down.bytes()) * 4 / 6;
  CHECK(some.bytes == doctest::Approx(all.bytes - idle));
  CHECK(some.i8_ops == all.i8_ops);
}

TEST_CASE("packed model: unknown formats are refused by name") {
  LoadOptions options;
  const std::string message =
      error_of(ErrorKind::invalid_input, [&] { model::set_weight_format("q3", options); });
  CHECK(contains(message, "\"q3\", expected stored, dense, q8_0"));
}

}  // namespace
}  // namespace cadre
