#include "core/ops/routing.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/ops/dispatch.h"
#include "core/ops/linear.h"
#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

TEST_CASE("routing: the definition, token by token") {
  Machine machine;
  const int64_t tokens = 700, experts = 9, top_k = 3;
  const Tensor logits = random_tensor({tokens, experts}, DType::f32, 1, 2.0);
  auto mask = std::make_shared<std::vector<uint8_t>>(tokens, 1);
  for (size_t n = 0; n < mask->size(); n += 5) (*mask)[n] = 0;
  for (const bool renormalise : {false, true}) {
    const Routing routing = softmax_top_k(
        machine.ctx, logits, {.top_k = top_k, .renormalise = renormalise}, mask, nullptr);
    RouterStatistics expected;
    expected.counts.resize(experts);
    expected.first_counts.resize(experts);
    expected.probability_sums.resize(experts);
    double worst = 0;
    for (int64_t n = 0; n < tokens; ++n) {
      const float* z = logits.data<float>() + n * experts;
      double sum = 0;
      for (int64_t e = 0; e < experts; ++e) sum += std::exp(double{z[e]});
      std::vector<int64_t> order(static_cast<size_t>(experts));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return z[a] > z[b]; });
      double chosen = 0;
      for (int64_t j = 0; j < top_k; ++j) chosen += std::exp(double{z[order[j]]}) / sum;
      const bool real = (*mask)[static_cast<size_t>(n)] != 0;
      for (int64_t j = 0; j < top_k; ++j) {
        const int64_t e = order[static_cast<size_t>(j)];
        CHECK(routing.experts.data<int32_t>()[n * top_k + j] == e);
        const double p = std::exp(double{z[e]}) / sum / (renormalise ? chosen : 1.0);
        worst = std::max(worst, std::abs(routing.weights.data<float>()[n * top_k + j] - p));
        if (real) ++expected.counts[static_cast<size_t>(e)];
      }
      if (!real) continue;
      ++expected.num_tokens;
      ++expected.first_counts[static_cast<size_t>(order[0])];
      expected.squared_lse_sum += std::pow(std::log(sum), 2);
      for (int64_t e = 0; e < experts; ++e) {
        const double p = std::exp(double{z[e]}) / sum;
        expected.probability_sums[static_cast<size_t>(e)] += p;
        expected.entropy_sum -= p * std::log(p);
      }
    }
    CHECK(worst < 1e-6);
    const RouterStatistics& found = routing.statistics;
    CHECK(found.num_tokens == expected.num_tokens);
    CHECK(found.counts == expected.counts);
    CHECK(found.first_counts == expected.first_counts);
    CHECK(found.squared_lse_sum == doctest::Approx(expected.squared_lse_sum).epsilon(1e-6));
    CHECK(found.entropy_sum == doctest::Approx(expected.entropy_sum).epsilon(1e-6));
    for (size_t e = 0; e < expected.probability_sums.size(); ++e) {
      CHECK(found.probability_sums[e] ==
            doctest::Approx(expected.probability_sums[e]).epsilon(1e-6));
    }
  }
}

TEST_CASE("routing: a token whose logits hold a NaN gets experts that exist, and shows") {
  for (const kernels::KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    Machine machine(*table);
    const int64_t tokens = 40, experts = 9, top_k = 3;
    const Tensor logits = random_tensor({tokens, experts}, DType::f32, 7);
    const Routing sound = softmax_top_k(machine.ctx, logits, {.top_k = top_k}, nullptr, nullptr);
    logits.data<float>()[17 * experts + 4] = NAN;
    const Routing routing = softmax_top_k(machine.ctx, logits, {.top_k = top_k}, nullptr, nullptr);
    CHECK(std::isnan(routing.statistics.entropy_sum + routing.statistics.squared_lse_sum));
    CHECK(std::accumulate(routing.statistics.counts.begin(), routing.statistics.counts.end(),
                          int64_t{0}) == tokens * top_k);
    for (int64_t i = 0; i < tokens * top_k; ++i) {
      const int32_t expert = routing.experts.data<int32_t>()[i];
      CHECK((expert >= 0 && expert < experts));
      if (i / top_k == 17) continue;
      CHECK(expert == sound.experts.data<int32_t>()[i]);
      CHECK(routing.weights.data<float>()[i] == sound.weights.data<float>()[i]);
    }
    plan_dispatch(machine.ctx, routing.experts, experts);  // throws for any other
  }
}

TEST_CASE("routing: statistics have the same bits for any number of threads") {
  const Tensor logits = random_tensor({1000, 16}, DType::f32, 3, 2.0);
  const kernels::KernelTable& table = kernels::choose_table(detect_cpu_features(), "auto");
  Machine one(table, 1);
  const auto run = [&](Context& ctx) {
    return softmax_top_k(ctx, logits, {.top_k = 2}, nullptr, nullptr).statistics;
  };
  const RouterStatistics expected = run(one.ctx);
  for (const int threads : {2, 3, 4}) {
    Machine machine(table, threads);
    const RouterStatistics found = run(machine.ctx);
    CHECK(found.probability_sums == expected.probability_sums);
    CHECK(found.squared_lse_sum == expected.squared_lse_sum);
    CHECK(found.entropy_sum == expected.entropy_sum);
  }
}

// sum_n r . weights + sum over real tokens of (g . p + z * lse^2), by the definition.
double auxiliary_objective(const std::vector<double>& logits, int64_t experts,
                           const std::vector<uint8_t>& mask, const Tensor& chosen, const Tensor& r,
                           const RouterGradient& gradient) {
  double sum = 0;
  const int64_t top_k = chosen.dim(1);
  for (size_t n = 0; n < mask.size(); ++n) {
    const double* z = logits.data() + n * static_cast<size_t>(experts);
    double total = 0;
    for (int64_t e = 0; e < experts; ++e) total += std::exp(z[e]);
    for (int64_t j = 0; j < top_k; ++j) {
      const auto at = static_cast<int64_t>(n) * top_k + j;
      sum += r.data<float>()[at] * std::exp(z[chosen.data<int32_t>()[at]]) / total;
    }
    if (mask[n] == 0) continue;
    for (int64_t e = 0; e < experts; ++e) {
      sum += gradient.probability_gradient[static_cast<size_t>(e)] * std::exp(z[e]) / total;
    }
    sum += gradient.z_gradient * std::pow(std::log(total), 2);
  }
  return sum;
}

TEST_CASE("routing: auxiliary losses reach the logits of real tokens only") {
  Machine machine;
  const int64_t tokens = 11, experts = 5, top_k = 2;
  const Tensor logits = random_tensor({tokens, experts}, DType::f32, 4, 2.0);
  auto mask = std::make_shared<std::vector<uint8_t>>(tokens, 1);
  (*mask)[0] = (*mask)[6] = 0;
  auto gradient = std::make_shared<RouterGradient>();
  Tape tape;
  const Tensor dlogits = machine.ctx.empty_like(logits);
  tape.watch(logits, dlogits, true);
  const Context::TapeScope scope(machine.ctx, &tape);
  const Routing routing = softmax_top_k(machine.ctx, logits, {.top_k = top_k}, mask, gradient);
  // Known only after the forward pass.
  gradient->probability_gradient = {0.3f, -0.2f, 0.5f, 0.1f, -0.7f};
  gradient->z_gradient = 0.25f;
  const Tensor r = random_tensor(routing.weights.shape(), DType::f32, 5);
  tape.backward(machine.ctx, routing.weights, random_tensor(r.shape(), DType::f32, 5));
  std::vector<double> z = values_of(logits);
  for (size_t i = 0; i < z.size(); ++i) {
    const double h = 1e-5;
    const auto moved = [&](double step) {
      std::vector<double> other = z;
      other[i] += step;
      return auxiliary_objective(other, experts, *mask, routing.experts, r, *gradient);
    };
    const double expected = (moved(h) - moved(-h)) / (2 * h);
    CHECK(dlogits.data<float>()[i] == doctest::Approx(expected).epsilon(1e-5).scale(1.0));
  }
}

TEST_CASE("dispatch: experts receive N * k rows in the order of tokens") {
  Machine machine;
  const int64_t tokens = 400, experts = 7, top_k = 3;
  const Routing routing =
      softmax_top_k(machine.ctx, random_tensor({tokens, experts}, DType::f32, 6), {.top_k = top_k},
                    nullptr, nullptr);
  const DispatchPlanPtr plan = plan_dispatch(machine.ctx, routing.experts, experts);
  CHECK(plan->offsets.back() == tokens * top_k);
  for (int64_t e = 0; e < experts; ++e) {
    const int64_t begin = plan->offsets[static_cast<size_t>(e)];
    const int64_t end = plan->offsets[static_cast<size_t>(e) + 1];
    CHECK(end - begin == routing.statistics.counts[static_cast<size_t>(e)]);
    CHECK(std::is_sorted(plan->source.begin() + begin, plan->source.begin() + end));
  }
  for (int64_t i = 0; i < tokens * top_k; ++i) {
    const int32_t row = plan->slot[static_cast<size_t>(i)];
    CHECK(plan->source[static_cast<size_t>(row)] == i / top_k);
    const int32_t e = routing.experts.data<int32_t>()[i];
    CHECK(row >= plan->offsets[static_cast<size_t>(e)]);
    CHECK(row < plan->offsets[static_cast<size_t>(e) + 1]);
  }
}

TEST_CASE(
    "dispatch: permute, identity experts, combine with weights of sum one returns the input") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"));
  for (const DType type : {DType::f32, DType::bf16}) {
    const Tensor x = random_tensor({97, 24}, type, 7);
    const Routing routing = softmax_top_k(machine.ctx, random_tensor({97, 6}, DType::f32, 8),
                                          {.top_k = 2, .renormalise = true}, nullptr, nullptr);
    const DispatchPlanPtr plan = plan_dispatch(machine.ctx, routing.experts, 6);
    const Tensor y =
        combine(machine.ctx, permute(machine.ctx, x, plan), routing.weights, plan, type);
    CHECK(distance(y, x) < (type == DType::f32 ? 1e-7 : 1e-9));
  }
}

TEST_CASE("dispatch: permuting experts together with router rows changes nothing") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"));
  const int64_t experts = 6, width = 32;
  const Tensor x = random_tensor({150, width}, DType::bf16, 9);
  const Tensor logits = random_tensor({150, experts}, DType::f32, 10, 2.0);
  const Tensor weight = random_tensor({experts, width, width}, DType::bf16, 11, 0.2);
  const std::vector<int64_t> order = {3, 0, 5, 1, 4, 2};
  Tensor moved_logits = Tensor::empty(logits.shape(), DType::f32);
  Tensor moved_weight = Tensor::empty(weight.shape(), DType::bf16);
  for (int64_t e = 0; e < experts; ++e) {
    const int64_t from = order[static_cast<size_t>(e)];
    for (int64_t n = 0; n < 150; ++n) {
      moved_logits.data<float>()[n * experts + e] = logits.data<float>()[n * experts + from];
    }
    std::copy_n(weight.data<bf16>() + from * width * width, width * width,
                moved_weight.data<bf16>() + e * width * width);
  }
  const auto run = [&](const Tensor& z, const Tensor& w) {
    const Routing routing = softmax_top_k(machine.ctx, z, {.top_k = 2}, nullptr, nullptr);
    const DispatchPlanPtr plan = plan_dispatch(machine.ctx, routing.experts, experts);
    const Tensor rows =
        grouped_linear(machine.ctx, permute(machine.ctx, x, plan), w, plan->offsets);
    return combine(machine.ctx, rows, routing.weights, plan, DType::f32);
  };
  // The sum of the softmax meets its terms in another order, which moves the last bit of weights.
  CHECK(distance(run(moved_logits, moved_weight), run(logits, weight)) < 1e-6);
}

TEST_CASE("dispatch: refuses experts that do not exist") {
  Machine machine;
  Tensor experts = Tensor::zeros({3, 2}, DType::i32);
  experts.data<int32_t>()[4] = 5;
  CHECK_THROWS_AS(plan_dispatch(machine.ctx, experts, 5), Error);
  experts.data<int32_t>()[4] = -2;  // -1 means none
  CHECK_THROWS_AS(plan_dispatch(machine.ctx, experts, 5), Error);
}

TEST_CASE("routing: refuses a top_k that is not between 1 and the number of experts") {
  Machine machine;
  const Tensor logits = random_tensor({3, 4}, DType::f32, 1);
  for (const int64_t top_k : {0, 5}) {
    CHECK_THROWS_AS(softmax_top_k(machine.ctx, logits, {.top_k = top_k}, nullptr, nullptr), Error);
  }
}

}  // namespace
}  // namespace cadre::ops
