#include "eval/divergence.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "eval/perplexity.h"
#include "tests/eval/some_tokens.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

// The same weights, each a little off.
std::shared_ptr<model::Parameters> disturbed(Context& ctx, uint64_t seed, float share) {
  const auto parameters = random_parameters(ctx, tiny_spec(), DType::f32, seed);
  for (int64_t p = 0; p < parameters->size(); ++p) {
    float sign = share;
    for (float& x : parameters->tensor(p).span<float>()) x += (sign = -sign) * x;
  }
  return parameters;
}

std::vector<double> log_softmax(std::span<const float> logits) {
  double sum = 0.0;
  for (const float z : logits) sum += std::exp(static_cast<double>(z));
  std::vector<double> result;
  for (const float z : logits) result.push_back(z - std::log(sum));
  return result;
}

}  // namespace

TEST_CASE("divergence: every figure is that of its definition") {
  Machine machine;
  Context& ctx = machine.ctx;
  const model::Decoder a(tiny_spec(), random_parameters(ctx, tiny_spec(), DType::f32, 4));
  const model::Decoder b(tiny_spec(), disturbed(ctx, 4, 0.05f));
  const std::vector<int32_t> tokens = some_tokens(40);
  const eval::DivergenceResult result = eval::divergence(ctx, a, b, tokens, {}, {});
  REQUIRE(result.num_tokens == 39);

  const int64_t start = 0;
  const nn::ForwardInput input =
      model::packed_input({tokens.begin(), tokens.end() - 1}, {&start, 1});
  nn::ForwardTrace trace_a;
  nn::ForwardTrace trace_b;
  const Tensor logits_a = a.logits(ctx, a.hidden(ctx, input, &trace_a));
  const Tensor logits_b = b.logits(ctx, b.hidden(ctx, input, &trace_b));
  std::vector<double> kl;
  double same = 0.0;
  double squares = 0.0;
  for (int64_t n = 0; n < 39; ++n) {
    const auto p = log_softmax(logits_a.slice(n, n + 1).span<float>());
    const auto q = log_softmax(logits_b.slice(n, n + 1).span<float>());
    double sum = 0.0;
    for (size_t i = 0; i < p.size(); ++i) sum += std::exp(p[i]) * (p[i] - q[i]);
    kl.push_back(sum);
    same += std::ranges::max_element(p) - p.begin() == std::ranges::max_element(q) - q.begin();
    const auto target = static_cast<size_t>(tokens[static_cast<size_t>(n) + 1]);
    squares += std::pow(std::exp(p[target]) - std::exp(q[target]), 2);
  }
  double mean = 0.0;
  for (const double value : kl) mean += value / 39;
  std::ranges::sort(kl);
  CHECK(result.mean_kl == doctest::Approx(mean).epsilon(1e-6));
  CHECK(result.median_kl == doctest::Approx(kl[19]).epsilon(1e-6));
  CHECK(result.kl_90 == doctest::Approx(kl[35]).epsilon(1e-6));
  CHECK(result.kl_99 == doctest::Approx(kl[38]).epsilon(1e-6));
  CHECK(result.max_kl == doctest::Approx(kl[38]).epsilon(1e-6));
  CHECK(result.same_top == doctest::Approx(same / 39));
  CHECK(result.probability_rms == doctest::Approx(std::sqrt(squares / 39)).epsilon(1e-6));

  REQUIRE(result.layers.size() == 2);
  for (const eval::LayerAgreement& layer : result.layers) {
    double experts = 0.0;
    double all = 0.0;
    for (int64_t n = 0; n < 39; ++n) {
      const auto set_of = [&](const nn::ForwardTrace& trace) {
        const Tensor& chosen = trace.routers[static_cast<size_t>(layer.layer)].experts;
        const auto row = chosen.slice(n, n + 1).span<int32_t>();
        return std::set<int32_t>(row.begin(), row.end());
      };
      const std::set<int32_t> one = set_of(trace_a);
      const std::set<int32_t> other = set_of(trace_b);
      for (const int32_t expert : one) experts += other.contains(expert) ? 0.5 / 39 : 0.0;
      all += one == other ? 1.0 / 39 : 0.0;
    }
    CHECK(layer.experts == doctest::Approx(experts));
    CHECK(layer.all == doctest::Approx(all));
  }
  // Disturbed enough for the figures to mean something.
  CHECK(result.mean_kl > 1e-4);
  CHECK(result.layers.front().all < 1.0);
}

TEST_CASE("divergence: a model is as far from itself as nothing, in windows of any size") {
  Machine machine;
  Context& ctx = machine.ctx;
  const model::Decoder a(tiny_spec(), random_parameters(ctx, tiny_spec(), DType::f32, 4));
  const std::vector<int32_t> tokens = some_tokens(50);
  for (const auto& [context, stride] : {std::pair{16, 5}, {16, 15}, {49, 3}, {2, 1}}) {
    CAPTURE(context);
    const auto result =
        eval::divergence(ctx, a, a, tokens, {.context = context, .stride = stride}, {});
    CHECK(result.num_tokens == 49);
    CHECK(result.max_kl <= 1e-12);
    CHECK(result.same_top == doctest::Approx(1.0));
    CHECK(result.log_ratio == 0.0);
    for (const auto& layer : result.layers) CHECK(layer.all == doctest::Approx(1.0));
    const auto expected =
        eval::perplexity(ctx, a, tokens, 0, {.context = context, .stride = stride}, {});
    CHECK(result.perplexity_a == doctest::Approx(expected.perplexity).epsilon(1e-5));
    CHECK(result.perplexity_b == result.perplexity_a);
  }
}

TEST_CASE("divergence: the same bits with any number of threads") {
  const std::vector<int32_t> tokens = some_tokens(40);
  std::vector<double> first;
  for (const int threads : {1, 3}) {
    Machine machine(threads);
    const model::Decoder a(tiny_spec(), random_parameters(machine.ctx, tiny_spec(), DType::f32, 4));
    const model::Decoder b(tiny_spec(), disturbed(machine.ctx, 4, 0.05f));
    const auto r = eval::divergence(machine.ctx, a, b, tokens, {.context = 16, .stride = 7}, {});
    const std::vector<double> all = {r.mean_kl, r.kl_99, r.log_ratio, r.log_ratio_error};
    if (first.empty()) first = all;
    CHECK(all == first);
  }
}

TEST_CASE("divergence: models that cannot be compared are refused") {
  Machine machine;
  Context& ctx = machine.ctx;
  const model::Decoder a(tiny_spec(), random_parameters(ctx, tiny_spec(), DType::f32, 4));
  model::ModelSpec larger = tiny_spec();
  larger.vocab_size = 62;
  const model::Decoder b(larger, random_parameters(ctx, larger, DType::f32, 4));
  CHECK_THROWS_WITH_AS(eval::divergence(ctx, a, b, some_tokens(9), {}, {}),
                       doctest::Contains("61 and 62"), Error);
  CHECK_THROWS_WITH_AS(eval::divergence(ctx, a, a, some_tokens(1), {}, {}),
                       doctest::Contains("at least 2"), Error);
  const auto damaged = random_parameters(ctx, tiny_spec(), DType::f32, 4);
  damaged->tensor("norm").span<float>()[3] = NAN;
  const model::Decoder c(tiny_spec(), damaged);
  CHECK_THROWS_WITH_AS(eval::divergence(ctx, a, c, some_tokens(9), {}, {}),
                       doctest::Contains("not finite"), Error);
}

}  // namespace cadre
