// Whose turn it is, and who shares what: nobody stands still, nothing is read twice.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "infer/engine.h"
#include "tests/infer/random_requests.h"
#include "tests/infer/small_models.h"

namespace cadre {
namespace {

using infer::Engine;
using infer::Event;
using infer::Request;

struct Fixture {
  Machine machine;
  model::ModelSpec spec = small_models()[0].spec;
  model::Decoder decoder{spec, random_parameters(machine.ctx, spec, DType::f32, 5)};
};

// What came until now.
struct Log {
  std::map<int64_t, int64_t> tokens;  // of each request
  std::map<int64_t, infer::AnswerSummary> ends;

  void step(Engine& engine, Machine& machine) {
    for (const Event& event : engine.step(machine.ctx)) {
      if (event.finished) {
        ends[event.request] = event.summary;
      } else {
        ++tokens[event.request];
      }
    }
  }
  void run(Engine& engine, Machine& machine) {
    while (!engine.idle()) step(engine, machine);
  }
};

}  // namespace

TEST_CASE("scheduler: what prompts that come together have in common is read once") {
  for (const NamedSpec& model : small_models()) {
    for (const int64_t step_tokens : {16, 100, 128, 300, 2000}) {
      CAPTURE(model.name);
      CAPTURE(step_tokens);
      Machine machine;
      const model::Decoder decoder(model.spec,
                                   random_parameters(machine.ctx, model.spec, DType::f32, 5));
      RandomStream random(4);
      const std::vector<int32_t> common = random_tokens(random, 400);
      std::vector<Request> requests;
      for (int64_t i = 0; i < 4; ++i) {
        Request request = {.prompt = common, .text = {.max_tokens = 3}};
        for (const int32_t token : random_tokens(random, 20)) request.prompt.push_back(token);
        requests.push_back(request);
      }
      Engine engine(decoder, {.max_sequences = 4, .step_tokens = step_tokens});
      for (const Request& request : requests) engine.submit(request);
      Log log;
      log.run(engine, machine);
      // Three pages of the first 400 tokens are read once. The rest of 36 is each one's own, but
      // for what is found in a page that was filled before.
      CHECK(engine.statistics().prefill_tokens <= 420 + 3 * 36);
      CHECK(engine.statistics().reused_tokens >= 3 * 384);
      for (int64_t i = 1; i < 4; ++i) CHECK(log.ends.at(i).reused_tokens >= 384);
      CHECK(log.ends.at(0).reused_tokens == 0);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "scheduler: what is read in the meantime is found at the next page") {
  RandomStream random(4);
  const std::vector<int32_t> prompt = random_tokens(random, 600);
  Engine engine(decoder, {.max_sequences = 2, .step_tokens = 200});
  engine.submit({.prompt = prompt, .text = {.max_tokens = 2}});
  Log log;
  log.step(engine, machine);
  engine.submit({.prompt = prompt, .text = {.max_tokens = 2}});
  log.run(engine, machine);
  CHECK(engine.statistics().prefill_tokens == 600 + 600 - 512);
  CHECK(log.ends.at(1).reused_tokens == 512);
}

TEST_CASE_FIXTURE(Fixture,
                  "scheduler: a prompt of high priority is read while others fill the step") {
  Engine engine(decoder, {.max_sequences = 4, .step_tokens = 3});
  for (int i = 0; i < 3; ++i) engine.submit({.prompt = {1, 2, i}, .text = {.max_tokens = 60}});
  Log log;
  while (log.tokens.size() < 3) log.step(engine, machine);
  engine.submit({.prompt = {4, 5, 6, 7}, .text = {.max_tokens = 5}, .priority = 1});
  // A token of the prompt in each pass, of which the fourth writes the first of five.
  for (int i = 0; i < 8; ++i) log.step(engine, machine);
  CHECK(log.ends.contains(3));
  CHECK(log.ends.size() == 1);
  log.run(engine, machine);
}

TEST_CASE_FIXTURE(Fixture, "scheduler: in a step smaller than their number all texts go on") {
  Engine engine(decoder, {.max_sequences = 5, .step_tokens = 2});
  for (int i = 0; i < 5; ++i) engine.submit({.prompt = {1, 2, i}, .text = {.max_tokens = 40}});
  Log log;
  while (log.tokens.size() < 5) log.step(engine, machine);
  const std::map<int64_t, int64_t> before = log.tokens;
  for (int i = 0; i < 10; ++i) log.step(engine, machine);
  for (const auto& [request, count] : log.tokens) CHECK(count == before.at(request) + 10);
  engine.cancel_all();
  log.run(engine, machine);
}

TEST_CASE_FIXTURE(Fixture, "scheduler: guesses do not hold prompts up") {
  Request repeating = {.prompt = {5, 5, 5, 5}, .text = {.max_tokens = 900}};
  repeating.text.sampler.logit_bias = {"5:1000"};
  RandomStream random(4);
  const Request reading = {.prompt = random_tokens(random, 500), .text = {.max_tokens = 1}};
  Engine engine(decoder, {.max_sequences = 2, .step_tokens = 64, .lookup = 63});
  engine.submit(repeating);
  Log log;
  log.step(engine, machine);
  log.step(engine, machine);
  CHECK(log.tokens.at(0) > 10);  // guesses are made, and right
  engine.submit(reading);
  // A token for the text in each step and 63 of the prompt.
  for (int i = 0; i < 8; ++i) log.step(engine, machine);
  CHECK(log.ends.contains(1));
  CHECK_FALSE(log.ends.contains(0));
  engine.cancel_all();
  log.run(engine, machine);
}

TEST_CASE_FIXTURE(Fixture,
                  "scheduler: prompts come in when they fit beside what others still read") {
  // Eight pages; each prompt and its text take four.
  Engine engine(decoder, {.max_sequences = 4, .step_tokens = 50, .cache_tokens = 1024});
  RandomStream random(4);
  for (int i = 0; i < 4; ++i) {
    engine.submit({.prompt = random_tokens(random, 400), .text = {.max_tokens = 20}});
  }
  Log log;
  int64_t most = 0;
  while (!engine.idle()) {
    log.step(engine, machine);
    most = std::max(most, engine.statistics().running);
  }
  CHECK(most == 2);
  CHECK(engine.statistics().preemptions == 0);
  CHECK(engine.statistics().prefill_tokens + engine.statistics().reused_tokens == 1600);
}

TEST_CASE_FIXTURE(Fixture, "scheduler: one that has nothing yet gives nothing up") {
  Engine engine(decoder, {.max_sequences = 2, .step_tokens = 50});
  RandomStream random(4);
  for (int i = 0; i < 2; ++i) {
    engine.submit({.prompt = random_tokens(random, 400), .text = {.max_tokens = 3}});
  }
  Log log;
  log.step(engine, machine);
  CHECK(engine.statistics().running == 2);
  // The second, of which nothing has been read, makes room.
  engine.submit({.prompt = {1, 2, 3}, .text = {.max_tokens = 3}, .priority = 1});
  log.step(engine, machine);
  CHECK(engine.statistics().waiting == 1);
  CHECK(engine.statistics().preemptions == 0);
  log.run(engine, machine);
  CHECK(engine.statistics().preemptions == 0);
}

TEST_CASE("scheduler: caches of two models share the memory that one would have") {
  Machine machine;
  model::ModelSpec spec = small_models()[0].spec;
  // So that memory is the limit.
  spec.max_positions = 1 << 16;
  for (model::BlockSpec& block : spec.blocks) block.attention.head_dim = 64;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  const infer::EngineOptions options = {.max_sequences = 1'000'000};
  const auto pages = [&](const model::Decoder* draft) {
    return Engine(decoder, options, draft).statistics().pages.pages;
  };
  const int64_t alone = pages(nullptr);
  const int64_t beside = pages(&decoder);
  // Other programs take and give memory back meanwhile.
  CHECK(beside < alone * 3 / 4);
}

}  // namespace cadre
