#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/io/json.h"
#include "core/io/safetensors.h"
#include "infer/logprobs.h"
#include "infer/sampler.h"
#include "tests/infer/plain_sampler.h"

namespace cadre {
namespace {

using infer::SampleInput;
using infer::Sampler;
using infer::SamplerOptions;

double pick(RandomStream& random, std::initializer_list<double> values) {
  return values.begin()[random.below(values.size())];
}

SamplerOptions random_options(RandomStream& random) {
  SamplerOptions options;
  options.temperature = pick(random, {0.0, 0.3, 1.0, 1.0, 2.5});
  options.top_k = static_cast<int64_t>(pick(random, {0, 0, 1, 3, 40, 300}));
  options.top_p = pick(random, {1.0, 1.0, 0.0, 0.5, 0.9, 0.999});
  options.min_p = pick(random, {0.0, 0.0, 0.01, 0.2, 1.0});
  options.typical_p = pick(random, {1.0, 1.0, 0.1, 0.7, 0.95});
  options.repeat_penalty = pick(random, {1.0, 1.3, 0.8});
  options.repeat_last_n = static_cast<int64_t>(pick(random, {-1, 0, 5, 64}));
  options.frequency_penalty = pick(random, {0.0, 0.5, -0.25});
  options.presence_penalty = pick(random, {0.0, 1.0, -0.5});
  options.penalize_prompt = random.below(2) == 0;
  options.seed = static_cast<int64_t>(random.below(1000));
  return options;
}

// The token whose share of [0, 1) by ascending id holds `u`; how far u is from a border of it.
int32_t walk(const std::vector<double>& p, double u, double& margin) {
  double sum = 0.0;
  for (size_t id = 0; id < p.size(); ++id) {
    const double begin = sum;
    sum += p[id];
    if (u < sum) {
      margin = std::min(u - begin, sum - u);
      return static_cast<int32_t>(id);
    }
  }
  margin = 0.0;
  return -1;
}

}  // namespace

TEST_CASE("sampler: every draw is that of the plain definition") {
  RandomStream random(11);
  int64_t compared = 0;
  for (int round = 0; round < 1500; ++round) {
    CAPTURE(round);
    SamplerOptions options = random_options(random);
    const size_t size = round % 10 == 0 ? 4000 : 1 + random.below(500);
    const double spread = pick(random, {0.5, 2.0, 8.0});
    std::vector<float> logits(size);
    for (float& logit : logits) logit = static_cast<float>(spread * random.normal());
    // Equal logits: the lower id has to win.
    if (round % 4 == 0) {
      for (float& logit : logits) logit = std::round(logit);
    }
    std::vector<std::pair<int32_t, float>> bias;
    if (round % 3 == 0) {
      bias.emplace_back(static_cast<int32_t>(random.below(size)), 2.5f);
      options.logit_bias.push_back(std::to_string(bias[0].first) + ":2.5");
    }
    std::vector<int32_t> history(random.below(90));
    for (int32_t& token : history) token = static_cast<int32_t>(random.below(size));
    std::vector<uint64_t> allowed;
    if (round % 5 == 0) {
      allowed.assign((size + 63) / 64, 0);
      for (size_t i = 0; i < 1 + size / 3; ++i) {
        const uint64_t id = random.below(size);
        allowed[id / 64] |= uint64_t{1} << (id % 64);
      }
    }
    SampleInput input = {.logits = logits,
                         .history = history,
                         .prompt_length = static_cast<int64_t>(random.below(history.size() + 1)),
                         .allowed = allowed};
    const std::vector<double> p = plain_probabilities(options, input, bias);
    Sampler sampler(options);
    const RandomStream draws(static_cast<uint64_t>(options.seed));
    for (int64_t position = 0; position < 20; ++position) {
      input.position = position;
      double margin = 0.0;
      const int32_t expected =
          walk(p, draws.uniform_f64_at(static_cast<uint64_t>(position)), margin);
      // Sums of another order differ by some 1e-13, which shows only that close to a border.
      if (margin < 1e-11) continue;
      ++compared;
      CHECK(sampler.sample(input) == expected);
    }
  }
  CHECK(compared > 29000);
}

TEST_CASE("sampler: draws are those from the probabilities of transformers") {
  const auto golden = io::SafetensorsFile::open("tests/golden/sampler/expected.safetensors");
  const auto cases = io::JsonView::parse(golden->metadata().at("cases"), "cases");
  REQUIRE(cases.size() == 9);
  for (int64_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    const io::JsonView made = cases.element(i);
    SamplerOptions options;
    options.temperature = made.number("temperature");
    options.top_k = made.integer_or("top_k", 0);
    options.top_p = made.number_or("top_p", 1.0);
    options.min_p = made.number_or("min_p", 0.0);
    options.typical_p = made.number_or("typical_p", 1.0);
    options.repeat_penalty = made.number_or("repeat_penalty", 1.0);
    const auto tensor = [&](const char* name) {
      return golden->tensor(std::to_string(i) + "." + name);
    };
    const Tensor logits = tensor("logits");
    const Tensor history = tensor("history");
    const Tensor probabilities = tensor("probabilities");
    const auto p = probabilities.span<float>();
    Sampler sampler(options);
    const RandomStream draws(0);
    int64_t compared = 0;
    for (int64_t position = 0; position < 1000; ++position) {
      double margin = 0.0;
      const int32_t expected = walk(std::vector<double>(p.begin(), p.end()),
                                    draws.uniform_f64_at(static_cast<uint64_t>(position)), margin);
      // The sum of 211 rounded probabilities may be off by 211 * 2^-25.
      if (margin < 1e-5) continue;
      ++compared;
      CHECK(sampler.sample({.logits = logits.span<float>(),
                            .position = position,
                            .history = history.span<int32_t>()}) == expected);
    }
    CHECK(compared > 980);
  }
}

TEST_CASE("sampler: penalties have the values of their formulas") {
  // Greedy choice shows what a logit has become beside one that is known.
  const auto beats = [](SamplerOptions options, float logit, float other, int times) {
    options.temperature = 0.0;
    const std::vector<int32_t> history(static_cast<size_t>(times), 0);
    const std::vector<float> logits = {logit, other};
    return Sampler(options).sample({.logits = logits, .history = history}) == 0;
  };
  CHECK(beats({.repeat_penalty = 2.0}, 4.0f, 1.99f, 1));
  CHECK_FALSE(beats({.repeat_penalty = 2.0}, 4.0f, 2.01f, 3));
  CHECK(beats({.repeat_penalty = 2.0}, -4.0f, -8.01f, 1));
  CHECK(beats({.frequency_penalty = 0.5}, 4.0f, 2.49f, 3));
  CHECK_FALSE(beats({.frequency_penalty = 0.5}, 4.0f, 2.51f, 3));
  CHECK(beats({.presence_penalty = 0.5}, 4.0f, 3.49f, 3));
  CHECK_FALSE(beats({.presence_penalty = 0.5}, 4.0f, 3.51f, 3));
  // Outside the window, or in the prompt, a token costs nothing.
  const std::vector<float> logits = {4.0f, 3.9f, 0.0f};
  const std::vector<int32_t> history = {0, 2, 2, 2};
  SamplerOptions options = {.temperature = 0.0, .repeat_penalty = 2.0, .repeat_last_n = 3};
  CHECK(Sampler(options).sample({.logits = logits, .history = history}) == 0);
  options.repeat_last_n = -1;
  CHECK(Sampler(options).sample({.logits = logits, .history = history}) == 1);
  options = {.temperature = 0.0, .presence_penalty = 1.0};
  CHECK(Sampler(options).sample({.logits = logits, .history = history, .prompt_length = 1}) == 0);
  options.penalize_prompt = true;
  CHECK(Sampler(options).sample({.logits = logits, .history = history, .prompt_length = 1}) == 1);
}

TEST_CASE("sampler: the text does not end before min_tokens, unless nothing else is allowed") {
  const std::vector<float> logits = {1.0f, 9.0f, 0.5f};
  const std::vector<int32_t> stop = {1};
  const std::vector<int32_t> history = {0, 0, 0};
  Sampler sampler({.temperature = 0.0, .min_tokens = 2});
  SampleInput input = {
      .logits = logits, .history = history, .prompt_length = 2, .stop_tokens = stop};
  CHECK(sampler.sample(input) == 0);
  input.prompt_length = 1;
  CHECK(sampler.sample(input) == 1);
  const std::vector<uint64_t> only_end = {0b010};
  input.prompt_length = 3;
  input.allowed = only_end;
  CHECK(sampler.sample(input) == 1);
  input.allowed = {};
  CHECK(Sampler({.temperature = 0.0, .ignore_eos = true}).sample(input) == 0);
  const std::vector<uint64_t> nothing = {0};
  input.allowed = nothing;
  CHECK_THROWS_WITH_AS(sampler.sample(input), doctest::Contains("no token is allowed"), Error);
}

TEST_CASE("sampler: biases are read as ID:BIAS and refused by their text") {
  using infer::parse_logit_bias;
  CHECK(parse_logit_bias("12:-1.5") == std::pair<int32_t, float>(12, -1.5f));
  CHECK(parse_logit_bias("0=+3") == std::pair<int32_t, float>(0, 3.0f));
  CHECK(std::isinf(parse_logit_bias("7:-inf").second));
  for (const char* bad : {"", "7", "7:", ":1", "-1:1", "7:x", "7:nan", "7:inf", "7:1e9", "7:1 "}) {
    CHECK_THROWS_WITH_AS(parse_logit_bias(bad), doctest::Contains("ID:BIAS"), Error);
  }
  const std::vector<float> logits = {1.0f, 2.0f};
  CHECK(Sampler({.temperature = 0.0, .logit_bias = {"1:-inf"}}).sample(logits, 0) == 0);
  CHECK_THROWS_WITH_AS(Sampler({.logit_bias = {"2:1"}}).sample(logits, 0),
                       doctest::Contains("token 2, expected one below 2"), Error);
}

TEST_CASE("logprobs: those of the model, whatever was asked of the sampler") {
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};
  double total = 0.0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit));
  const infer::TokenLogprobs found = infer::logprobs_of(logits, 2, 3);
  CHECK(found.chosen.id == 2);
  CHECK(found.chosen.logprob == doctest::Approx(2.0 - std::log(total)).epsilon(1e-12));
  REQUIRE(found.top.size() == 3);
  CHECK(found.top[0].id == 1);
  CHECK(found.top[1].id == 3);
  CHECK(found.top[2].id == 2);
  CHECK(found.top[0].logprob == doctest::Approx(3.0 - std::log(total)).epsilon(1e-12));
  CHECK(infer::logprobs_of(logits, 0, 0).top.empty());
  CHECK(infer::logprobs_of(logits, 0, 100).top.size() == 5);
}

}  // namespace cadre
