// Models whose matrices are held in few bits write the same text on every machine.
#include <doctest/doctest.h>

#include <vector>

#include "infer/generator.h"
#include "tests/model/gguf_case.h"
#include "tests/model/machine.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

Tensor logits_of(Context& ctx, const model::LoadedModel& loaded, std::vector<int32_t> tokens) {
  const int64_t start = 0;
  const auto input = model::packed_input(std::move(tokens), {&start, 1});
  return loaded.decoder->logits(ctx, loaded.decoder->hidden(ctx, input, nullptr));
}

const std::vector<int32_t> kTokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3};

TEST_CASE("packed model: the same bits for every table, thread count and cut of the prompt") {
  const ScratchFolder folder;
  const model::ModelSpec spec = gguf_model("llama", true);
  Machine maker;
  const auto parameters = random_parameters(maker.ctx, spec, DType::f32, 1);
  const auto file =
      write_gguf(maker.ctx, folder / "m.gguf", spec, *parameters, {.matrices = DType::f32});
  for (const auto* table : kernels::supported_tables(detect_cpu_features())) {
    CAPTURE(table->name);
    std::vector<int32_t> first;
    Tensor whole;
    for (const int threads : {1, 3}) {
      Machine machine(*table, threads);
      const auto loaded = model::load_model(
          machine.ctx, file, model::LoadOptions{.format = model::WeightFormat::packed});
      const Tensor logits = logits_of(machine.ctx, loaded, kTokens);
      if (!whole.defined()) whole = logits;
      CHECK(same_values(whole, logits));
      for (const int64_t chunk : {1, 5, 512}) {
        infer::GenerateOptions options;
        options.sampler.temperature = 1.0;
        options.max_tokens = 12;
        options.prefill_chunk = chunk;
        const auto result =
            infer::generate(machine.ctx, *loaded.decoder, kTokens, options, nullptr);
        if (first.empty()) first = result.tokens;
        CHECK(result.tokens == first);
      }
    }
  }
}

}  // namespace
}  // namespace cadre
