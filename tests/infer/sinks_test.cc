// Texts of any length with attention sinks and a window: what they are stands in
// tests/core/ops/paged_attention_test.cc; here that nothing but the text decides them.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/random.h"
#include "infer/session.h"
#include "tests/infer/small_models.h"
#include "tests/model/machine.h"

namespace cadre {
namespace {

struct Found {
  std::vector<int32_t> tokens;
  infer::StopReason reason = infer::StopReason::max_tokens;
  int64_t most_pages = 0;
};

Found run(const model::Decoder& decoder, const infer::EngineOptions& options, int64_t max_tokens,
          int threads = 2, int64_t prompt_size = 200) {
  Machine machine(threads);
  infer::Engine engine(decoder, options);
  infer::Request request;
  for (int64_t i = 0; i < prompt_size; ++i) {
    request.prompt.push_back(static_cast<int32_t>((i * i + 3 * i) % 61));
  }
  request.text.max_tokens = max_tokens;
  request.text.sampler = {.temperature = 1.0, .seed = 3};
  engine.submit(request);
  Found found;
  while (!engine.idle()) {
    for (const infer::Event& event : engine.step(machine.ctx)) {
      if (event.finished) {
        found.reason = event.summary.reason;
      } else {
        found.tokens.push_back(event.token);
      }
    }
    found.most_pages = std::max(found.most_pages, engine.statistics().pages.in_use);
  }
  return found;
}

}  // namespace

TEST_CASE("sinks: a text goes on beyond the model's context, in memory that does not grow") {
  for (const NamedSpec& model : small_models()) {
    CAPTURE(model.name);
    Machine machine;
    model::ModelSpec spec = model.spec;
    spec.max_positions = 300;
    const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
    infer::EngineOptions options;
    CHECK(run(decoder, options, 900).reason == infer::StopReason::context_full);
    options.sinks = 4;
    options.attention_window = 150;
    const Found expected = run(decoder, options, 900);
    CHECK(expected.tokens.size() == 900);
    CHECK(expected.most_pages <= 5);
    // Neither cuts, threads, guesses, nor what was cached decide the text.
    options.step_tokens = 17;
    options.lookup = 6;
    CHECK(run(decoder, options, 900, 3).tokens == expected.tokens);
    options.cache_tokens = 1;
    options.share_prefixes = false;
    CHECK(run(decoder, options, 900, 1).tokens == expected.tokens);
    // A long prompt is read as well.
    CHECK(run(decoder, options, 5, 1, 700).tokens.size() == 5);
  }
}

TEST_CASE("sinks: up to sinks and window tokens the text is the model's own") {
  Machine machine;
  const model::ModelSpec spec = small_models()[0].spec;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  infer::EngineOptions options;
  const std::vector<int32_t> own = run(decoder, options, 200).tokens;
  options.sinks = 10;
  options.attention_window = 250;
  const std::vector<int32_t> found = run(decoder, options, 200).tokens;
  // The token at 260 is the first that does not see all before it.
  CHECK(std::equal(own.begin(), own.begin() + 61, found.begin()));
  CHECK(own != found);
}

TEST_CASE("sinks: conversations go on where they were, the sinks still there") {
  Machine machine;
  model::ModelSpec spec = small_models()[0].spec;
  spec.max_positions = 300;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  infer::EngineOptions engine;
  engine.sinks = 3;
  engine.attention_window = 140;
  infer::Session session(decoder, engine);
  infer::GenerateOptions options;
  options.sampler.temperature = 1.0;
  options.max_tokens = 90;
  std::vector<int32_t> prompt(50, 7);
  for (int turn = 0; turn < 6; ++turn) {
    const auto result = session.generate(machine.ctx, prompt, options, {});
    if (turn > 0) CHECK(result.reused_tokens > 0);
    CHECK(result.tokens ==
          infer::Session(decoder, engine).generate(machine.ctx, prompt, options, {}).tokens);
    prompt.insert(prompt.end(), result.tokens.begin(), result.tokens.end());
    prompt.push_back(turn);
  }
  engine.attention_window = 0;
  CHECK_THROWS_AS(infer::Session(decoder, engine), Error);
}

}  // namespace cadre
