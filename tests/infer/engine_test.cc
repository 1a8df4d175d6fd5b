// What an engine writes, in which order, and what it refuses. That texts do not depend on the
// schedule stands in schedule_test.cc.
#include "infer/engine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/base/error.h"
#include "infer/session.h"
#include "tests/infer/cached_steps.h"
#include "tests/infer/random_requests.h"
#include "tests/infer/small_models.h"

namespace cadre {
namespace {

using infer::Engine;
using infer::EngineOptions;
using infer::Event;
using infer::Request;
using infer::StopReason;

}  // namespace

TEST_CASE("engine: a text is that of the plain definition") {
  for (const NamedSpec& model : small_models()) {
    CAPTURE(model.name);
    Machine machine;
    const model::Decoder decoder(model.spec,
                                 random_parameters(machine.ctx, model.spec, DType::f32, 3));
    RandomStream random(1);
    std::vector<int32_t> tokens = random_tokens(random, 150);
    infer::GenerateOptions options;
    options.sampler.temperature = 1.0;
    options.max_tokens = 12;
    const auto found = infer::generate(machine.ctx, decoder, tokens, options, {}).tokens;
    infer::Sampler sampler(options.sampler);
    std::vector<int32_t> expected;
    for (int i = 0; i < 12; ++i) {
      const Tensor hidden = without_cache(machine, decoder, tokens);
      const Tensor logits =
          decoder.logits(machine.ctx, hidden.slice(hidden.dim(0) - 1, hidden.dim(0)));
      expected.push_back(sampler.sample(logits.span<float>(), std::ssize(tokens)));
      tokens.push_back(expected.back());
    }
    CHECK(found == expected);
  }
}

TEST_CASE("engine: passes over many sequences have the bits of each alone") {
  for (const NamedSpec& model : small_models()) {
    for (const DType type : {DType::f32, DType::bf16}) {
      CAPTURE(model.name);
      Machine machine(3);
      const model::Decoder decoder(model.spec, random_parameters(machine.ctx, model.spec, type, 9));
      RandomStream random(11);
      infer::PagedCache cache(model.spec, type, {.num_tokens = 4096, .max_sequences = 4});
      std::vector<std::vector<int32_t>> texts;
      std::vector<Tensor> whole;
      std::vector<infer::CacheSequence> sequences;
      for (int i = 0; i < 4; ++i) {
        texts.push_back(random_tokens(random, 60 + static_cast<int64_t>(random.below(240))));
        whole.push_back(without_cache(machine, decoder, texts.back()));
        sequences.push_back(cache.make_sequence());
      }
      infer::CacheStep pass(cache);
      for (bool more = true; more;) {
        more = false;
        nn::ForwardInput input;
        auto tokens = std::make_shared<std::vector<int32_t>>();
        auto positions = std::make_shared<std::vector<int32_t>>();
        std::vector<std::pair<size_t, int64_t>> parts;
        pass.clear();
        for (size_t i = 0; i < texts.size(); ++i) {
          const int64_t length = sequences[i].length;
          const int64_t left = std::ssize(texts[i]) - length;
          const int64_t wanted = 1 + static_cast<int64_t>(random.below(random.below(2) ? 60 : 2));
          const int64_t count = std::min(left, random.below(4) == 0 ? 0 : wanted);
          more = more || left > 0;
          if (count == 0) continue;
          cache.reserve(machine.ctx, sequences[i], count);
          pass.add(sequences[i], count);
          for (int64_t p = length; p < length + count; ++p) {
            tokens->push_back(texts[i][static_cast<size_t>(p)]);
            positions->push_back(static_cast<int32_t>(p));
          }
          parts.emplace_back(i, count);
        }
        if (parts.empty()) continue;
        input.tokens = tokens;
        input.positions = positions;
        input.store = &pass;
        const Tensor hidden = decoder.hidden(machine.ctx, input, nullptr);
        int64_t begin = 0;
        for (const auto& [i, count] : parts) {
          REQUIRE(same_rows(hidden.slice(begin, begin + count), whole[i], sequences[i].length));
          cache.commit(sequences[i],
                       std::span(texts[i]).first(static_cast<size_t>(sequences[i].length + count)));
          begin += count;
        }
      }
    }
  }
}

TEST_CASE("engine: an 8-bit cache gives the same text whatever the schedule") {
  model::ModelSpec spec = tiny_spec();
  for (model::BlockSpec& block : spec.blocks) block.attention.head_dim = 32;
  Machine machine;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::bf16, 5));
  RandomStream random(3);
  std::vector<Request> requests = random_requests(random, 8);
  for (Request& request : requests) request.num_answers = 1;
  Texts expected;
  for (int round = 0; round < 4; ++round) {
    EngineOptions options;
    options.cache_type = "int8";
    options.max_sequences = round == 0 ? 1 : 4;
    options.cache_tokens = round == 1 ? 450 : 4000;
    options.share_prefixes = round > 0;
    options.step_tokens = 40 * (round + 1);
    Machine other(1 + round);
    Engine engine(decoder, options);
    for (const Request& request : requests) engine.submit(request);
    Texts texts;
    while (!engine.idle()) {
      for (const Event& event : engine.step(other.ctx)) {
        if (!event.finished) texts[{event.request, 0}].push_back(event.token);
      }
    }
    if (round == 0) expected = texts;
    CHECK(texts == expected);
  }
  spec.blocks[1].attention.head_dim = 8;
  const model::Decoder narrow(spec, random_parameters(machine.ctx, spec, DType::bf16, 5));
  EngineOptions options;
  options.cache_type = "int8";
  CHECK_THROWS_WITH_AS(Engine(narrow, options), doctest::Contains("layer 1"), Error);
}

TEST_CASE("engine: higher priority goes first, among equals who came first") {
  Machine machine;
  const model::Decoder decoder(tiny_spec(),
                               random_parameters(machine.ctx, tiny_spec(), DType::f32, 5));
  Engine engine(decoder, {.max_sequences = 1});
  const auto submit = [&](int64_t priority) {
    return engine.submit({.prompt = {1, 2, 3}, .text = {.max_tokens = 5}, .priority = priority});
  };
  submit(0);
  submit(0);
  submit(1);
  std::vector<int64_t> order;
  for (int step = 0; !engine.idle(); ++step) {
    if (step == 2) submit(5);
    for (const Event& event : engine.step(machine.ctx)) {
      if (event.finished) order.push_back(event.request);
    }
  }
  CHECK(order == std::vector<int64_t>{3, 2, 0, 1});
  CHECK(engine.statistics().preemptions == 1);
}

TEST_CASE("engine: logits of damaged weights end their own answer, not the others") {
  Machine machine;
  const auto parameters = random_parameters(machine.ctx, tiny_spec(), DType::f32, 5);
  // Token 60 is damaged, and nobody else sees it.
  const Tensor& embedding = parameters->tensor("embedding");
  std::fill_n(embedding.data<float>() + 60 * embedding.dim(1), embedding.dim(1),
              std::numeric_limits<float>::quiet_NaN());
  const model::Decoder decoder(tiny_spec(), parameters);
  infer::GenerateOptions plain;
  plain.sampler.temperature = 0.0;
  plain.max_tokens = 8;
  plain.num_candidates = 60;
  const std::vector<int32_t> prompt(140, 7);
  const auto expected = infer::generate(machine.ctx, decoder, prompt, plain, {}).tokens;
  Engine engine(decoder, {.max_sequences = 3});
  std::vector<int32_t> damaged = prompt;
  damaged[130] = 60;
  const Request good = {.prompt = prompt,
                        .text = {.sampler = plain.sampler, .max_tokens = 8, .num_candidates = 60}};
  Request bad = good;
  bad.prompt = damaged;
  engine.submit(bad);
  engine.submit(good);
  engine.submit(bad);
  std::vector<int32_t> text;
  std::map<int64_t, infer::AnswerSummary> ends;
  while (!engine.idle()) {
    for (const Event& event : engine.step(machine.ctx)) {
      if (event.finished) {
        ends[event.request] = event.summary;
      } else {
        CHECK(event.request == 1);
        text.push_back(event.token);
      }
    }
  }
  CHECK(text == expected);
  CHECK(ends.at(0).reason == StopReason::failed);
  CHECK(ends.at(2).reason == StopReason::failed);
  CHECK_THROWS_AS(std::rethrow_exception(ends.at(0).error), Error);
  CHECK(ends.at(1).reason == StopReason::max_tokens);
}

TEST_CASE("engine: what a text of damaged weights leaves behind spoils no other") {
  Machine machine;
  const auto parameters = random_parameters(machine.ctx, tiny_spec(), DType::f32, 5);
  const Tensor& embedding = parameters->tensor("embedding");
  std::fill_n(embedding.data<float>() + 60 * embedding.dim(1), embedding.dim(1),
              std::numeric_limits<float>::quiet_NaN());
  const model::Decoder decoder(tiny_spec(), parameters);
  infer::GenerateOptions options;
  options.max_tokens = 3;
  options.num_candidates = 60;
  std::vector<int32_t> prompt(140, 7);
  const auto expected = infer::generate(machine.ctx, decoder, prompt, options, {}).tokens;
  infer::Session session(decoder);
  for (const size_t size : {140, 300}) {  // the damaged token in the last page, and in a full one
    std::vector<int32_t> damaged(size, 7);
    damaged[130] = 60;
    CHECK_THROWS_AS(session.generate(machine.ctx, damaged, options, {}), Error);
    CHECK(session.generate(machine.ctx, prompt, options, {}).tokens == expected);
  }
}

TEST_CASE("engine: requests that cannot be are refused, and a text ends with the cache") {
  Machine machine;
  const model::Decoder decoder(tiny_spec(),
                               random_parameters(machine.ctx, tiny_spec(), DType::f32, 5));
  CHECK_THROWS_AS(Engine(decoder, {.max_sequences = 0}), Error);
  CHECK_THROWS_AS(Engine(decoder, {.cache_type = "int3"}), Error);
  Engine engine(decoder, {.max_sequences = 2, .cache_tokens = 200});
  CHECK(engine.max_length() == 256);
  const auto with_prompt = [](int64_t size, int32_t token) {
    return Request{.prompt = std::vector<int32_t>(static_cast<size_t>(size), token)};
  };
  CHECK_THROWS_AS(engine.submit(with_prompt(0, 0)), Error);
  CHECK_THROWS_AS(engine.submit(with_prompt(3, 61)), Error);
  CHECK_THROWS_AS(engine.submit(with_prompt(257, 1)), Error);
  CHECK(engine.idle());
  Request long_text = with_prompt(250, 1);
  long_text.text.max_tokens = 1000;
  long_text.num_answers = 2;
  engine.submit(long_text);
  std::map<int64_t, int64_t> counts;
  while (!engine.idle()) {
    for (const Event& event : engine.step(machine.ctx)) {
      if (event.finished) {
        CHECK(event.summary.reason == StopReason::context_full);
      } else {
        ++counts[event.answer];
      }
    }
  }
  // The last token is drawn and has no keys.
  CHECK(counts == std::map<int64_t, int64_t>{{0, 7}, {1, 7}});
  CHECK_FALSE(engine.cancel(0));
}

}  // namespace cadre
