// Guesses change nothing but the number of passes.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/base/error.h"
#include "core/base/random.h"
#include "infer/engine.h"
#include "infer/prompt_lookup.h"
#include "tests/infer/small_models.h"
#include "tests/model/machine.h"

namespace cadre {
namespace {

using infer::Engine;
using infer::EngineOptions;
using infer::Event;
using infer::Request;

using Texts = std::map<std::pair<int64_t, int64_t>, std::vector<int32_t>>;

struct Run {
  Texts texts;
  infer::EngineStatistics statistics;
};

Run run_all(Machine& machine, const model::Decoder& decoder, const std::vector<Request>& requests,
            const EngineOptions& options, const model::Decoder* draft = nullptr) {
  Engine engine(decoder, options, draft);
  for (const Request& request : requests) engine.submit(request);
  Run run;
  while (!engine.idle()) {
    for (const Event& event : engine.step(machine.ctx)) {
      if (event.finished) {
        REQUIRE(event.summary.reason != infer::StopReason::failed);
      } else {
        run.texts[{event.request, event.answer}].push_back(event.token);
      }
    }
  }
  run.statistics = engine.statistics();
  CHECK(run.statistics.pages.in_use == 0);
  return run;
}

// Greedy and sampled, short and long, some with two answers.
std::vector<Request> requests_of(uint64_t seed) {
  RandomStream random(seed);
  std::vector<Request> requests;
  for (int i = 0; i < 8; ++i) {
    Request request;
    const uint64_t size = 1 + random.below(200);
    for (uint64_t t = 0; t < size; ++t) {
      request.prompt.push_back(static_cast<int32_t>(random.below(i % 2 == 0 ? 4 : 61)));
    }
    request.text.sampler.temperature = i % 3 == 0 ? 0.0 : 0.7;
    request.text.sampler.seed = i;
    request.text.sampler.repeat_penalty = i == 4 ? 1.2 : 1.0;
    request.text.max_tokens = 5 + static_cast<int64_t>(random.below(60));
    request.text.stop_tokens = {7};
    request.num_answers = i == 5 ? 2 : 1;
    requests.push_back(request);
  }
  return requests;
}

// A draft that differs from the model in its vocabulary.
model::ModelSpec with_vocabulary(model::ModelSpec spec, int64_t size) {
  spec.vocab_size = size;
  return spec;
}

}  // namespace

TEST_CASE("lookup: what followed the same tokens the last time they came") {
  const auto look = [](std::vector<int32_t> tokens, int64_t count) {
    std::vector<int32_t> found = {9};
    infer::look_up(tokens, count, found);
    return found;
  };
  CHECK(look({1, 2, 3, 4, 5, 1, 2, 3}, 2) == std::vector<int32_t>{4, 5});
  // The latest of two places, the longest of two matches.
  CHECK(look({1, 2, 8, 9, 1, 2, 5, 6, 1, 2}, 2) == std::vector<int32_t>{5, 6});
  CHECK(look({4, 1, 2, 8, 9, 3, 1, 2, 5, 4, 1, 2}, 2) == std::vector<int32_t>{8, 9});
  // A repetition goes on with itself.
  CHECK(look({5, 1, 2, 3, 1, 2, 3}, 7) == std::vector<int32_t>{1, 2, 3, 1, 2, 3, 1});
  CHECK(look({1, 1, 1}, 4) == std::vector<int32_t>{1, 1, 1, 1});
  CHECK(look({1, 2, 3, 4}, 4).empty());
  CHECK(look({1, 2, 1}, 4).empty());  // one token alone says too little
  CHECK(look({}, 4).empty());
  CHECK(look({3}, 4).empty());
}

TEST_CASE("speculation: guesses by lookup leave every text as it is") {
  for (const NamedSpec& model : small_models()) {
    CAPTURE(model.name);
    Machine machine;
    const model::Decoder decoder(model.spec,
                                 random_parameters(machine.ctx, model.spec, DType::f32, 5));
    const std::vector<Request> requests = requests_of(3);
    const Run plain = run_all(machine, decoder, requests, {.max_sequences = 3});
    int64_t accepted = 0;
    for (const int64_t guesses : {1, 4, 20}) {
      for (const int64_t cache_tokens : {500, 4000}) {
        CAPTURE(guesses);
        Machine other(1 + static_cast<int>(guesses) % 4);
        const Run found = run_all(other, decoder, requests,
                                  {.max_sequences = 3,
                                   .step_tokens = 30 * guesses,
                                   .cache_tokens = cache_tokens,
                                   .lookup = guesses});
        CHECK(found.texts == plain.texts);
        CHECK(found.statistics.accepted_tokens <= found.statistics.drafted_tokens);
        accepted += found.statistics.accepted_tokens;
      }
    }
    CHECK(accepted > 0);
  }
}

TEST_CASE("speculation: guesses of another model leave every text as it is") {
  Machine machine;
  const std::vector<NamedSpec> models = small_models();
  const model::ModelSpec& spec = models[0].spec;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  const std::vector<Request> requests = requests_of(4);
  const Run plain = run_all(machine, decoder, requests, {.max_sequences = 3});
  for (const NamedSpec& model : models) {
    CAPTURE(model.name);
    const model::Decoder draft(model.spec,
                               random_parameters(machine.ctx, model.spec, DType::bf16, 6));
    for (const int64_t step_tokens : {20, 512}) {
      const EngineOptions options = {
          .max_sequences = 3, .step_tokens = step_tokens, .cache_tokens = 600, .draft_tokens = 3};
      const Run found = run_all(machine, decoder, requests, options, &draft);
      CHECK(found.texts == plain.texts);
      CHECK(found.statistics.drafted_tokens > 0);
    }
  }
}

TEST_CASE("speculation: a model that drafts for itself is always right") {
  for (const NamedSpec& model : small_models()) {
    CAPTURE(model.name);
    Machine machine;
    const model::Decoder decoder(model.spec,
                                 random_parameters(machine.ctx, model.spec, DType::f32, 5));
    std::vector<Request> requests = requests_of(4);
    for (Request& request : requests) request.text.stop_tokens.clear();
    const Run plain = run_all(machine, decoder, requests, {.max_sequences = 2});
    const Run found =
        run_all(machine, decoder, requests, {.max_sequences = 2, .draft_tokens = 4}, &decoder);
    CHECK(found.texts == plain.texts);
    CHECK(found.statistics.drafted_tokens > 100);
    CHECK(found.statistics.accepted_tokens == found.statistics.drafted_tokens);
    CHECK(found.statistics.steps < plain.statistics.steps / 2);
  }
}

TEST_CASE("speculation: a draft model with other tokens guesses what both have") {
  Machine machine;
  const model::ModelSpec spec = small_models()[0].spec;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  const std::vector<Request> requests = requests_of(4);
  const Run plain = run_all(machine, decoder, requests, {.max_sequences = 3});
  for (const int64_t size : {50, 300}) {
    CAPTURE(size);
    const model::ModelSpec other = with_vocabulary(spec, size);
    const model::Decoder draft(other, random_parameters(machine.ctx, other, DType::f32, 6));
    const Run found =
        run_all(machine, decoder, requests, {.max_sequences = 3, .draft_tokens = 3}, &draft);
    CHECK(found.texts == plain.texts);
    CHECK(found.statistics.drafted_tokens > 0);
    CHECK(found.statistics.draft_failures == 0);
  }
}

TEST_CASE("speculation: a text at which the draft model fails goes on without it") {
  Machine machine;
  const model::ModelSpec spec = small_models()[0].spec;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  const model::ModelSpec small = with_vocabulary(spec, 50);
  std::vector<Request> requests = requests_of(4);
  for (Request& request : requests) {
    for (int32_t& token : request.prompt) token %= 50;
  }
  const EngineOptions options = {.max_sequences = 3, .draft_tokens = 3};
  const auto parameters = random_parameters(machine.ctx, small, DType::f32, 6);
  const model::Decoder draft(small, parameters);
  // A bias of a token that the draft model lacks.
  requests[1].text.sampler.logit_bias = {"55:1"};
  const Run plain = run_all(machine, decoder, requests, {.max_sequences = 3});
  Run found = run_all(machine, decoder, requests, options, &draft);
  CHECK(found.texts == plain.texts);
  CHECK(found.statistics.draft_failures > 0);
  CHECK(found.statistics.drafted_tokens > 0);
  // Weights that give no number at all.
  const Tensor& embedding = parameters->tensor("embedding");
  std::fill_n(embedding.data<float>(), embedding.elements(),
              std::numeric_limits<float>::quiet_NaN());
  found = run_all(machine, decoder, requests, options, &draft);
  CHECK(found.texts == plain.texts);
  CHECK(found.statistics.draft_failures > 0);
  CHECK(found.statistics.drafted_tokens == 0);
}

}  // namespace cadre
