#include "infer/generator.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/base/error.h"
#include "model/hf.h"
#include "tests/model/golden_case.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

std::vector<int32_t> some_tokens(int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((i * i + 7 * i) % 61));
  return tokens;
}

}  // namespace

TEST_CASE("generate: neither threads nor the chunks of the prompt change the text") {
  for (const DType compute : {DType::f32, DType::bf16}) {
    std::vector<int32_t> expected;
    for (const int threads : {1, 2, 3}) {
      for (const int64_t chunk : {1, 7, 128, 512}) {
        Machine machine(threads);
        const model::Decoder decoder(tiny_spec(),
                                     random_parameters(machine.ctx, tiny_spec(), compute, 3));
        infer::GenerateOptions options;
        options.sampler.seed = 5;
        options.sampler.temperature = 1.0;
        options.max_tokens = 20;
        options.prefill_chunk = chunk;
        const std::vector<int32_t> prompt = some_tokens(150);
        const auto result = infer::generate(machine.ctx, decoder, prompt, options, {});
        REQUIRE(result.tokens.size() == 20);
        if (expected.empty()) expected = result.tokens;
        CHECK(result.tokens == expected);
      }
    }
  }
}

TEST_CASE("generate: a model whose experts choose tokens is refused before it reads any") {
  Machine machine;
  model::ModelSpec spec = tiny_spec();
  for (model::BlockSpec& block : spec.blocks) {
    std::get<model::MoeSpec>(block.feed_forward).router.choice = ops::ExpertChoice{};
  }
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 3));
  try {
    infer::generate(machine.ctx, decoder, some_tokens(5), {}, {});
    FAIL("was not refused");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unsupported);
    CHECK(std::string(error.what()).find("choose their tokens") != std::string::npos);
  }
}

TEST_CASE("generate: prompts that cannot be are refused") {
  Machine machine;
  const model::Decoder decoder(tiny_spec(),
                               random_parameters(machine.ctx, tiny_spec(), DType::f32, 1));
  const auto run = [&](const std::vector<int32_t>& prompt) {
    infer::generate(machine.ctx, decoder, prompt, {}, {});
  };
  CHECK_THROWS_AS(run({}), Error);
  CHECK_THROWS_AS(run({61}), Error);
  CHECK_THROWS_AS(run({-1}), Error);
  CHECK_THROWS_AS(run(std::vector<int32_t>(513, 0)), Error);
}

TEST_CASE("OLMoE: greedy text is that of transformers") {
  for (const std::string& name : olmoe_cases()) {
    CAPTURE(name);
    const GoldenCase golden(name);
    Machine machine;
    const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
    const auto prompt = golden.expected("greedy.prompt").span<int32_t>();
    const auto expected = golden.expected("greedy.tokens").span<int32_t>();
    infer::GenerateOptions options;
    options.sampler.temperature = 0.0;
    options.max_tokens = static_cast<int64_t>(expected.size());
    const auto result = infer::generate(machine.ctx, *loaded.decoder, prompt, options, {});
    CHECK(std::ranges::equal(result.tokens, expected));
  }
}

}  // namespace cadre
