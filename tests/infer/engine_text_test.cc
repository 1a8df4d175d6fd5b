// What a request may ask of its text goes through the engine: constraints, log probabilities,
// penalties that look at what stands before.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "infer/engine.h"
#include "tests/infer/cached_steps.h"
#include "tests/infer/small_models.h"

namespace cadre {
namespace {

// Even tokens alone, and six of them.
class EvenState : public infer::ConstraintState {
 public:
  std::span<const uint64_t> allowed() override { return {kEven, 1}; }
  void accept(int32_t token) override {
    if (token % 2 != 0) fail(ErrorKind::invalid_input, "{} is odd", token);
    ++count_;
  }
  bool may_end() override { return true; }
  bool must_end() override { return count_ == 6; }
  void rollback(int64_t count) override { count_ -= count; }
  std::unique_ptr<infer::ConstraintState> clone() const override {
    return std::make_unique<EvenState>(*this);
  }

 private:
  static constexpr uint64_t kEven[] = {0x5555555555555555ull};
  int64_t count_ = 0;
};

struct Even : infer::Constraint {
  std::unique_ptr<infer::ConstraintState> begin() const override {
    return std::make_unique<EvenState>();
  }
};

struct Texts {
  std::map<int64_t, std::vector<int32_t>> tokens;  // of each answer
  std::map<int64_t, std::vector<infer::TokenLogprobs>> logprobs;
  std::map<int64_t, infer::StopReason> reasons;
};

Texts run(Machine& machine, const model::Decoder& decoder, const infer::Request& request,
          const infer::EngineOptions& options, const model::Decoder* draft = nullptr) {
  infer::Engine engine(decoder, options, draft);
  engine.submit(request);
  Texts texts;
  while (!engine.idle()) {
    for (const infer::Event& event : engine.step(machine.ctx)) {
      if (event.finished) {
        texts.reasons[event.answer] = event.summary.reason;
        continue;
      }
      texts.tokens[event.answer].push_back(event.token);
      if (event.logprobs) texts.logprobs[event.answer].push_back(*event.logprobs);
    }
  }
  return texts;
}

}  // namespace

TEST_CASE("engine: constraints hold, each answer has its own, guesses do not disturb them") {
  Machine machine;
  const model::ModelSpec spec = small_models()[0].spec;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  infer::Request request = {.prompt = {1, 2, 3, 1, 2, 3, 1, 2}, .num_answers = 3};
  request.text.constraint = std::make_shared<Even>();
  request.text.sampler.temperature = 1.0;
  const Texts plain = run(machine, decoder, request, {.max_sequences = 3});
  REQUIRE(plain.tokens.size() == 3);
  for (const auto& [answer, tokens] : plain.tokens) {
    CHECK(tokens.size() == 6);
    CHECK(std::ranges::all_of(tokens, [](int32_t token) { return token % 2 == 0; }));
    CHECK(plain.reasons.at(answer) == infer::StopReason::complete);
  }
  const Texts guessed = run(machine, decoder, request, {.max_sequences = 2, .lookup = 5}, &decoder);
  CHECK(guessed.tokens == plain.tokens);
  CHECK(guessed.reasons == plain.reasons);
}

TEST_CASE("engine: log probabilities are those of the model's own logits, with guesses too") {
  Machine machine;
  const model::ModelSpec spec = small_models()[0].spec;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  infer::Request request = {.prompt = {5, 4, 3, 5, 4}};
  request.text.max_tokens = 20;
  request.text.logprobs = 2;
  request.text.sampler = {.temperature = 0.8, .repeat_penalty = 1.3, .seed = 4};
  for (const int64_t lookup : {0, 4}) {
    const Texts texts = run(machine, decoder, request, {.lookup = lookup});
    const std::vector<int32_t>& tokens = texts.tokens.at(0);
    REQUIRE(tokens.size() == 20);
    REQUIRE(texts.logprobs.at(0).size() == 20);
    std::vector<int32_t> all = request.prompt;
    all.insert(all.end(), tokens.begin(), tokens.end());
    const Tensor logits = decoder.logits(machine.ctx, without_cache(machine, decoder, all));
    for (size_t i = 0; i < tokens.size(); ++i) {
      const auto row = static_cast<int64_t>(request.prompt.size() + i) - 1;
      const Tensor values = logits.slice(row, row + 1);
      const auto expected = infer::logprobs_of(values.span<float>(), tokens[i], 2);
      const infer::TokenLogprobs& found = texts.logprobs.at(0)[i];
      CHECK(found.chosen.id == tokens[i]);
      CHECK(found.chosen.logprob == expected.chosen.logprob);
      REQUIRE(found.top.size() == 2);
      CHECK(found.top[0].id == expected.top[0].id);
      CHECK(found.top[1].logprob == expected.top[1].logprob);
    }
  }
}

}  // namespace cadre
