#include "eval/perplexity.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/eval/some_tokens.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

// The definition: each token but the first, with what its window holds before it.
double plain_nats(Context& ctx, const model::Decoder& decoder, const std::vector<int32_t>& tokens,
                  int64_t context, int64_t stride) {
  double nats = 0.0;
  const auto count = static_cast<int64_t>(tokens.size());
  for (int64_t target = 1; target < count; ++target) {
    // Targets up to `context` share the first window; then each window ends `stride` further.
    const int64_t windows = target <= context ? 0 : (target - context + stride - 1) / stride;
    const int64_t end = std::min(count - 1, context + windows * stride);
    const int64_t begin = std::max<int64_t>(0, end - context);
    const int64_t start = 0;
    const Tensor hidden = decoder.hidden(
        ctx, model::packed_input({tokens.begin() + begin, tokens.begin() + target}, {&start, 1}),
        nullptr);
    const int64_t last = target - begin - 1;
    const Tensor logits = decoder.logits(ctx, hidden.slice(last, last + 1));
    double sum = 0.0;
    for (const float z : logits.span<float>()) sum += std::exp(static_cast<double>(z));
    nats += std::log(sum) - logits.data<float>()[tokens[static_cast<size_t>(target)]];
  }
  return nats;
}

}  // namespace

TEST_CASE("perplexity: every token but the first is scored once, in its window") {
  Machine machine;
  const model::Decoder decoder(tiny_spec(),
                               random_parameters(machine.ctx, tiny_spec(), DType::f32, 4));
  const std::vector<int32_t> tokens = some_tokens(50);
  for (const auto& [context, stride] : {std::pair{16, 5}, {16, 15}, {49, 3}, {64, 32}, {2, 1}}) {
    CAPTURE(context);
    CAPTURE(stride);
    const eval::PerplexityResult result = eval::perplexity(
        machine.ctx, decoder, tokens, 123, {.context = context, .stride = stride}, {});
    CHECK(result.num_tokens == 49);
    const double expected = plain_nats(machine.ctx, decoder, tokens, context, stride);
    CHECK(result.total_nats == doctest::Approx(expected).epsilon(1e-5));
    CHECK(result.perplexity == doctest::Approx(std::exp(expected / 49)).epsilon(1e-4));
    CHECK(result.bits_per_byte == doctest::Approx(expected / std::log(2.0) / 123).epsilon(1e-5));
  }
}

TEST_CASE("perplexity: windows that cannot be are refused by name") {
  Machine machine;
  const model::Decoder decoder(tiny_spec(),
                               random_parameters(machine.ctx, tiny_spec(), DType::f32, 4));
  const auto run = [&](int64_t count, eval::PerplexityOptions options) {
    eval::perplexity(machine.ctx, decoder, some_tokens(count), 0, options, {});
  };
  CHECK_THROWS_WITH_AS(run(1, {}), doctest::Contains("at least 2"), Error);
  CHECK_THROWS_WITH_AS(run(9, {.context = 513}), doctest::Contains("context"), Error);
  CHECK_THROWS_WITH_AS(run(9, {.context = 8, .stride = 8}), doctest::Contains("stride"), Error);
}

}  // namespace cadre
