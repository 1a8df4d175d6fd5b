// Texts do not depend on company, cuts of prompts, threads, preemption, shared beginnings, guesses
// or what else is cancelled.
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "infer/engine.h"
#include "tests/infer/random_requests.h"
#include "tests/infer/small_models.h"

namespace cadre {
namespace {

using infer::Engine;
using infer::EngineOptions;
using infer::Event;
using infer::Request;
using infer::StopReason;

using Key = std::pair<int64_t, int64_t>;  // request, answer

// One engine under a random schedule: requests come while others run, some requests and some
// answers are cancelled, and the size of steps changes.
struct Schedule {
  Schedule(const std::vector<Request>& the_requests, RandomStream& the_random)
      : requests(the_requests), random(the_random) {}

  void run(Machine& machine, Engine& engine) {
    while (submitted < std::ssize(requests) || !engine.idle()) {
      if (submitted < std::ssize(requests) && (engine.idle() || random.below(3) == 0)) {
        REQUIRE(engine.submit(requests[static_cast<size_t>(submitted)]) == submitted);
        ++submitted;
      }
      if (random.below(60) == 0 && submitted > 0) cancel_request(engine);
      if (random.below(20) == 0 && submitted > 0) cancel_answer(engine);
      if (random.below(4) == 0) engine.set_step_tokens(1 + static_cast<int64_t>(random.below(200)));
      for (const Event& event : engine.step(machine.ctx)) take(event);
    }
    statistics = engine.statistics();
  }

  int64_t num_answers(int64_t request) const {
    return requests[static_cast<size_t>(request)].num_answers;
  }
  bool has_ended(const Key& key) const { return finished.contains(key) || cancelled.contains(key); }

  void cancel_request(Engine& engine) {
    const auto request = static_cast<int64_t>(random.below(static_cast<uint64_t>(submitted)));
    bool something = false;
    for (int64_t answer = 0; answer < num_answers(request); ++answer) {
      if (has_ended({request, answer})) continue;
      cancelled.insert({request, answer});
      something = true;
    }
    REQUIRE(engine.cancel(request) == something);
  }

  void cancel_answer(Engine& engine) {
    const auto request = static_cast<int64_t>(random.below(static_cast<uint64_t>(submitted)));
    const auto answer = static_cast<int64_t>(random.below(4));
    const bool there = answer < num_answers(request) && !has_ended({request, answer});
    REQUIRE(engine.cancel(request, answer) == there);
    if (there) cancelled.insert({request, answer});
  }

  void take(const Event& event) {
    const Key key = {event.request, event.answer};
    REQUIRE(!finished.contains(key));
    if (!event.finished) {
      REQUIRE(!cancelled.contains(key));
      texts[key].push_back(event.token);
      return;
    }
    finished.insert(key);
    REQUIRE(event.summary.reason != StopReason::failed);
    REQUIRE((event.summary.reason == StopReason::cancelled) == cancelled.contains(key));
    REQUIRE(event.summary.new_tokens == std::ssize(texts[key]));
  }

  // Each is the text alone, those that were cancelled as far as they came.
  void compare(const Texts& expected) {
    CHECK(statistics.pages.in_use == 0);
    CHECK(finished.size() == expected.size());
    for (const auto& [key, text] : expected) {
      CAPTURE(key.first);
      CAPTURE(key.second);
      const std::vector<int32_t>& found = texts[key];
      if (cancelled.contains(key)) {
        CHECK(
            (found.size() <= text.size() && std::equal(found.begin(), found.end(), text.begin())));
      } else {
        CHECK(found == text);
      }
    }
  }

  const std::vector<Request>& requests;
  RandomStream& random;
  int64_t submitted = 0;
  Texts texts;
  std::set<Key> finished;
  std::set<Key> cancelled;
  infer::EngineStatistics statistics;
};

// What the definition of a text depends on.
struct Setting {
  std::string name;
  DType type;
  EngineOptions options = {};
  bool guesses = false;
};

struct Counts {
  int64_t preemptions = 0;
  int64_t reused = 0;
  int64_t drafted = 0;
  int64_t accepted = 0;
  int64_t cancelled = 0;
};

Counts compare_schedules(const NamedSpec& model, const Setting& setting, int rounds) {
  Machine machine;
  const auto parameters = random_parameters(machine.ctx, model.spec, setting.type, 5);
  const model::Decoder decoder(model.spec, parameters);
  RandomStream random(setting.type == DType::f32 ? 7 : 8);
  const std::vector<Request> requests = random_requests(random, 12);
  const Texts expected = one_by_one(machine, decoder, requests, setting.options);
  const model::Decoder other(model.spec,
                             random_parameters(machine.ctx, model.spec, DType::bf16, 6));
  Counts counts;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    EngineOptions options = setting.options;
    options.max_sequences = 1 + static_cast<int64_t>(random.below(6));
    options.step_tokens = 1 + static_cast<int64_t>(random.below(300));
    // From less than two long texts to more than all.
    options.cache_tokens =
        round % 2 == 0 ? 450 : 128 * (4 + static_cast<int64_t>(random.below(30)));
    options.share_prefixes = round != 4;
    const model::Decoder* draft = nullptr;
    if (setting.guesses) {
      options.lookup = static_cast<int64_t>(random.below(6));
      options.draft_tokens = 1 + static_cast<int64_t>(random.below(5));
      draft = round % 3 == 0 ? &decoder : &other;
    }
    Machine threads(1 + round % 4);
    Engine engine(decoder, options, draft);
    Schedule schedule(requests, random);
    schedule.run(threads, engine);
    schedule.compare(expected);
    const infer::EngineStatistics& found = schedule.statistics;
    if (!options.share_prefixes) CHECK(found.reused_tokens == 0);
    counts.preemptions += found.preemptions;
    counts.reused += found.reused_tokens;
    counts.drafted += found.drafted_tokens;
    counts.accepted += found.accepted_tokens;
    counts.cancelled += std::ssize(schedule.cancelled);
  }
  return counts;
}

}  // namespace

TEST_CASE("engine: whatever the schedule, each text is the one it would be alone") {
  const Setting settings[] = {
      {.name = "f32", .type = DType::f32},
      {.name = "bf16 with guesses", .type = DType::bf16, .guesses = true},
      {.name = "8 bits with guesses",
       .type = DType::bf16,
       .options = {.cache_type = "int8"},
       .guesses = true},
      {.name = "sinks with guesses",
       .type = DType::f32,
       .options = {.attention_window = 140, .sinks = 5},
       .guesses = true},
  };
  for (const Setting& setting : settings) {
    Counts all;
    for (NamedSpec& model : small_models()) {
      CAPTURE(setting.name);
      CAPTURE(model.name);
      if (setting.options.cache_type == "int8") {
        for (model::BlockSpec& block : model.spec.blocks) block.attention.head_dim = 32;
      }
      const Counts counts = compare_schedules(model, setting, 5);
      all.preemptions += counts.preemptions;
      all.drafted += counts.drafted;
      all.accepted += counts.accepted;
      all.cancelled += counts.cancelled;
      CHECK(counts.reused > 0);
    }
    CHECK(all.preemptions > 0);
    CHECK(all.cancelled > 0);
    CHECK((all.drafted > all.accepted) == setting.guesses);
    CHECK((all.accepted > 0) == setting.guesses);
  }
}

}  // namespace cadre
