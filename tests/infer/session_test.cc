#include "infer/session.h"

#include <doctest/doctest.h>

#include "core/base/random.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

infer::GenerateOptions options_of(int64_t max_tokens) {
  infer::GenerateOptions options;
  options.sampler.seed = 4;
  options.sampler.temperature = 1.0;
  options.max_tokens = max_tokens;
  return options;
}

// Prompts that go on, change in the middle or go back, each also read afresh.
void compare_with_fresh(Machine& machine, const model::Decoder& decoder) {
  infer::Session session(decoder);
  RandomStream random(7);
  std::vector<int32_t> prompt = {3};
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    // Sometimes the last text goes on, sometimes it changes in the middle or goes back.
    const uint64_t kind = random.below(4);
    if (kind == 0) prompt.resize(1 + random.below(prompt.size()));
    if (kind == 1) prompt[random.below(prompt.size())] = static_cast<int32_t>(random.below(61));
    if (kind == 2) prompt = session.cached().empty() ? prompt : session.cached();
    for (uint64_t i = random.below(9); i > 0; --i) {
      prompt.push_back(static_cast<int32_t>(random.below(61)));
    }
    if (prompt.size() > 300) prompt.resize(40);
    const auto options = options_of(static_cast<int64_t>(random.below(12)));
    const auto result = session.generate(machine.ctx, prompt, options, {});
    const auto fresh = infer::generate(machine.ctx, decoder, prompt, options, {});
    CHECK(result.tokens == fresh.tokens);
    CHECK(result.reused_tokens < static_cast<int64_t>(prompt.size()));
  }
}

}  // namespace

TEST_CASE("session: prompts that share a beginning continue as if each were read afresh") {
  model::ModelSpec windowed = tiny_spec();
  // What a window has let go has to be read again, which must not show.
  windowed.blocks.front().attention.window = 9;
  for (const model::ModelSpec& spec : {tiny_spec(), windowed}) {
    Machine machine;
    const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 2));
    compare_with_fresh(machine, decoder);
  }
}

TEST_CASE(
    "session: only what is new is read, and what was read before a prompt was cancelled is kept") {
  Machine machine;
  const model::Decoder decoder(tiny_spec(),
                               random_parameters(machine.ctx, tiny_spec(), DType::f32, 2));
  infer::Session session(decoder);
  std::vector<int32_t> prompt(20, 5);
  CHECK(session.generate(machine.ctx, prompt, options_of(1), {}).reused_tokens == 0);
  prompt.insert(prompt.end(), 7, 6);
  CHECK(session.generate(machine.ctx, prompt, options_of(1), {}).reused_tokens == 20);
  // The same prompt again: all but its last token.
  CHECK(session.generate(machine.ctx, prompt, options_of(1), {}).reused_tokens == 26);

  auto options = options_of(5);
  options.prefill_chunk = 2;
  int passes = 0;
  options.keep_going = [&] { return ++passes < 3; };
  prompt.assign(30, 9);
  const auto stopped = session.generate(machine.ctx, prompt, options, {});
  CHECK(stopped.reason == infer::StopReason::cancelled);
  CHECK(stopped.tokens.empty());
  CHECK(session.cached().size() == 4);
  const auto result = session.generate(machine.ctx, prompt, options_of(5), {});
  CHECK(result.reused_tokens == 4);
  CHECK(result.tokens == infer::generate(machine.ctx, decoder, prompt, options_of(5), {}).tokens);
}

}  // namespace cadre
