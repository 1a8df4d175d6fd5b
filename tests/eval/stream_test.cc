// A text read once through a window; what a window and sinks let a token see is defined and tested
// in tests/core/ops/paged_attention_test.cc.
#include "eval/stream.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "core/base/error.h"
#include "eval/perplexity.h"
#include "tests/eval/some_tokens.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

model::Decoder decoder_of_context(Context& ctx, int64_t positions) {
  model::ModelSpec spec = tiny_spec();
  spec.max_positions = positions;
  return model::Decoder(spec, random_parameters(ctx, spec, DType::f32, 4));
}

}  // namespace

TEST_CASE("stream: a text within the context has the loss of the model") {
  Machine machine;
  const model::Decoder decoder = decoder_of_context(machine.ctx, 512);
  const std::vector<int32_t> tokens = some_tokens(400);
  const double expected =
      eval::perplexity(machine.ctx, decoder, tokens, 0, {.context = 512}, {}).total_nats;
  // With everything in sight, and with a window and sinks that are no bound.
  for (const eval::StreamOptions& options :
       {eval::StreamOptions{.block = 150}, {.window = 396, .sinks = 4, .block = 150}}) {
    const eval::StreamResult result =
        eval::stream_perplexity(machine.ctx, decoder, tokens, options, {});
    CHECK(result.num_tokens == 399);
    CHECK(result.total_nats == doctest::Approx(expected).epsilon(1e-6));
    REQUIRE(result.block_nats.size() == 3);
    CHECK(150 * result.block_nats[0] + 150 * result.block_nats[1] + 99 * result.block_nats[2] ==
          doctest::Approx(result.total_nats).epsilon(1e-12));
  }
}

TEST_CASE("stream: a text goes on past the context in memory that does not grow") {
  Machine machine;
  const model::Decoder decoder = decoder_of_context(machine.ctx, 64);
  const std::vector<int32_t> tokens = some_tokens(3000);
  for (const int64_t sinks : {0, 4}) {
    CAPTURE(sinks);
    eval::StreamOptions options{.window = 60, .sinks = sinks, .block = 100, .step_tokens = 64};
    int64_t read = 0;
    const eval::StreamResult result =
        eval::stream_perplexity(machine.ctx, decoder, tokens, options, [&](int64_t now) {
          CHECK(now > read);
          read = now;
        });
    CHECK(read == 3000);
    CHECK(result.block_nats.size() == 30);
    // The cut of the text decides nothing.
    options.step_tokens = 7;
    const eval::StreamResult other =
        eval::stream_perplexity(machine.ctx, decoder, tokens, options, {});
    CHECK(other.block_nats == result.block_nats);
    const eval::StreamResult beginning =
        eval::stream_perplexity(machine.ctx, decoder, std::span(tokens).first(600), options, {});
    CHECK(beginning.cache_bytes == other.cache_bytes);
  }
  // Without a window it does grow.
  const eval::StreamResult whole =
      eval::stream_perplexity(machine.ctx, decoder, tokens, {.block = 100}, {});
  const eval::StreamResult windowed =
      eval::stream_perplexity(machine.ctx, decoder, tokens, {.window = 60, .block = 100}, {});
  CHECK(whole.cache_bytes > 2 * windowed.cache_bytes);
}

TEST_CASE("stream: what cannot be is refused by name") {
  Machine machine;
  const model::Decoder decoder = decoder_of_context(machine.ctx, 64);
  const auto run = [&](int64_t count, const eval::StreamOptions& options) {
    eval::stream_perplexity(machine.ctx, decoder, some_tokens(count), options, {});
  };
  CHECK_THROWS_WITH_AS(run(1, {}), doctest::Contains("at least 2"), Error);
  CHECK_THROWS_WITH_AS(run(9, {.sinks = 4}), doctest::Contains("window"), Error);
  CHECK_THROWS_WITH_AS(run(9, {.block = 0}), doctest::Contains("block = 0"), Error);
}

}  // namespace cadre
