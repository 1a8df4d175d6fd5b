// Ends that one answer, or one request, comes to do not touch the others.
#include <doctest/doctest.h>

#include <map>
#include <memory>

#include "core/base/error.h"
#include "infer/engine.h"
#include "tests/infer/random_requests.h"
#include "tests/infer/small_models.h"

namespace cadre {
namespace {

using infer::Engine;
using infer::Event;
using infer::Request;
using infer::StopReason;

struct Ends {
  Texts texts;
  std::map<std::pair<int64_t, int64_t>, infer::AnswerSummary> ends;

  void step(Engine& engine, Machine& machine) {
    for (const Event& event : engine.step(machine.ctx)) {
      const std::pair key = {event.request, event.answer};
      REQUIRE(!ends.contains(key));
      if (event.finished) {
        ends[key] = event.summary;
      } else {
        texts[key].push_back(event.token);
      }
    }
  }
  void run(Engine& engine, Machine& machine) {
    while (!engine.idle()) step(engine, machine);
    CHECK(engine.statistics().pages.in_use == 0);
  }
};

// A prompt of 200 tokens, so that a step of 150 does not read it whole.
Request request_of(int64_t num_answers) {
  RandomStream random(3);
  Request request = {.prompt = random_tokens(random, 200), .num_answers = num_answers};
  request.text.max_tokens = 6;
  request.text.sampler = {.temperature = 1.0, .seed = 40};
  return request;
}

struct Fixture {
  Machine machine;
  model::ModelSpec spec = small_models()[0].spec;
  model::Decoder decoder{spec, random_parameters(machine.ctx, spec, DType::f32, 5)};
};

// Fails for all but the first text.
struct OneOnly : infer::Constraint {
  struct State : infer::ConstraintState {
    std::span<const uint64_t> allowed() override { return {}; }
    void accept(int32_t) override {}
    bool may_end() override { return true; }
    bool must_end() override { return false; }
    void rollback(int64_t) override {}
    std::unique_ptr<infer::ConstraintState> clone() const override {
      return std::make_unique<State>();
    }
  };
  std::unique_ptr<infer::ConstraintState> begin() const override {
    if (begun++ % 3 == 1) fail(ErrorKind::exhausted, "no second text");
    return std::make_unique<State>();
  }
  mutable int begun = 0;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "cancel: an answer that is not made yet ends alone") {
  const Texts expected = one_by_one(machine, decoder, {request_of(3)}, {});
  for (int64_t victim = 0; victim < 3; ++victim) {
    for (const bool read_before : {false, true}) {
      CAPTURE(victim);
      CAPTURE(read_before);
      Engine engine(decoder, {.max_sequences = 3, .step_tokens = 150});
      engine.submit(request_of(3));
      Ends ends;
      if (read_before) ends.step(engine, machine);
      CHECK(ends.texts.empty());
      CHECK(engine.cancel(0, victim));
      CHECK_FALSE(engine.cancel(0, victim));
      CHECK_FALSE(engine.cancel(0, 3));
      CHECK_FALSE(engine.cancel(0, -1));
      CHECK_FALSE(engine.cancel(1, 0));
      ends.run(engine, machine);
      CHECK(ends.ends.size() == 3);
      for (int64_t answer = 0; answer < 3; ++answer) {
        CAPTURE(answer);
        const bool cancelled = answer == victim;
        CHECK((ends.ends.at({0, answer}).reason == StopReason::cancelled) == cancelled);
        CHECK(ends.texts[{0, answer}] ==
              (cancelled ? std::vector<int32_t>() : expected.at({0, answer})));
      }
      // The prompt was read once.
      CHECK(engine.statistics().prefill_tokens == 200);
    }
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "cancel: a request ends with its last answer, before the prompt is read") {
  Engine engine(decoder, {.max_sequences = 3, .step_tokens = 150});
  engine.submit(request_of(3));
  engine.submit(request_of(1));
  Ends ends;
  ends.step(engine, machine);
  for (const int64_t answer : {1, 0, 2}) CHECK(engine.cancel(0, answer));
  CHECK_FALSE(engine.cancel(0));
  CHECK(engine.cancel(1, 0));
  CHECK_FALSE(engine.idle());  // the events have to be fetched
  ends.step(engine, machine);
  CHECK(engine.idle());
  CHECK(ends.ends.size() == 4);
  for (const auto& [key, end] : ends.ends) CHECK(end.reason == StopReason::cancelled);
  CHECK(engine.statistics().pages.in_use == 0);
}

TEST_CASE_FIXTURE(Fixture, "cancel: one answer while all write, and then all at once") {
  const Texts expected = one_by_one(machine, decoder, {request_of(3)}, {});
  for (int64_t victim = 0; victim < 3; ++victim) {
    Engine engine(decoder, {.max_sequences = 3});
    engine.submit(request_of(3));
    Ends ends;
    ends.step(engine, machine);
    CHECK(engine.cancel(0, victim));
    CHECK_FALSE(engine.cancel(0, victim));
    ends.run(engine, machine);
    for (int64_t answer = 0; answer < 3; ++answer) {
      CHECK(ends.texts.at({0, answer}).size() == (answer == victim ? 1 : 6));
      if (answer != victim) CHECK(ends.texts.at({0, answer}) == expected.at({0, answer}));
    }
  }
  Engine engine(decoder, {.max_sequences = 2});
  CHECK_FALSE(engine.cancel_all());
  for (int i = 0; i < 4; ++i) engine.submit(request_of(2));
  Ends ends;
  ends.step(engine, machine);
  CHECK(engine.cancel_all());
  CHECK_FALSE(engine.cancel_all());
  ends.step(engine, machine);
  CHECK(engine.idle());
  CHECK(ends.ends.size() == 8);
}

TEST_CASE_FIXTURE(Fixture, "engine: an answer that cannot be made ends alone") {
  const Texts expected = one_by_one(machine, decoder, {request_of(3)}, {});
  Request request = request_of(3);
  request.text.constraint = std::make_shared<OneOnly>();
  Engine engine(decoder, {.max_sequences = 4});
  engine.submit(request);
  engine.submit(request_of(1));
  Ends ends;
  ends.run(engine, machine);
  CHECK(ends.ends.at({0, 1}).reason == StopReason::failed);
  CHECK_THROWS_WITH_AS(std::rethrow_exception(ends.ends.at({0, 1}).error), "no second text", Error);
  CHECK(ends.texts.at({0, 0}) == expected.at({0, 0}));
  CHECK(ends.texts.at({0, 2}) == expected.at({0, 2}));
  CHECK(ends.texts.at({1, 0}) == expected.at({0, 0}));
}

TEST_CASE_FIXTURE(Fixture,
                  "engine: a request whose answers count up to a seed out of range is refused") {
  Engine engine(decoder, {.max_sequences = 2});
  Request request = request_of(2);
  request.text.sampler.seed = 9'000'000'000'000'000;
  CHECK_THROWS_WITH_AS(engine.submit(request), doctest::Contains("seed"), Error);
  request.text.sampler.seed = std::numeric_limits<int64_t>::max();
  CHECK_THROWS_WITH_AS(engine.submit(request), doctest::Contains("seed"), Error);
  request.num_answers = 20'000;
  CHECK_THROWS_WITH_AS(engine.submit(request), doctest::Contains("num_answers"), Error);
  request.num_answers = 1;
  request.text.sampler.seed = 9'000'000'000'000'000;
  engine.submit(request);
  Ends ends;
  ends.run(engine, machine);
  CHECK(ends.ends.at({0, 0}).reason == StopReason::max_tokens);
}

}  // namespace cadre
