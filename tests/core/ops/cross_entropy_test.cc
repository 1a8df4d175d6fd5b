#include "core/ops/cross_entropy.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/ops/linear.h"
#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

TEST_CASE("cross_entropy: losses are those of logits computed at once") {
  for (const kernels::KernelTable* table : supported_tables()) {
    Machine machine(*table);
    const int64_t count = 50, width = 24, vocab = 77;
    const Tensor x = random_tensor({count, width}, DType::f32, 1);
    const Tensor w = random_tensor({vocab, width}, DType::f32, 2);
    std::vector<int32_t> targets(count);
    std::vector<float> weights(count);
    for (size_t n = 0; n < targets.size(); ++n) {
      targets[n] = n % 7 == 3 ? -1 : static_cast<int32_t>((n * 31) % 77);
      weights[n] = 0.5f + 0.01f * static_cast<float>(n);
    }
    const CrossEntropyResult result = linear_cross_entropy(machine.ctx, x, w, targets, weights);
    const std::vector<double> z = values_of(linear(machine.ctx, x, w, DType::f32));
    double loss = 0;
    for (size_t n = 0; n < targets.size(); ++n) {
      double sum = 0;
      for (size_t v = 0; v < 77; ++v) sum += std::exp(z[n * 77 + v]);
      const double expected =
          targets[n] < 0 ? 0.0 : std::log(sum) - z[n * 77 + static_cast<size_t>(targets[n])];
      CHECK(result.token_losses[n] == doctest::Approx(expected).epsilon(1e-5));
      loss += double{weights[n]} * expected;
    }
    CHECK(result.loss.data<float>()[0] == doctest::Approx(loss).epsilon(1e-5));
  }
}

TEST_CASE("cross_entropy: no row with a target, no loss and no gradient") {
  Machine machine;
  const Tensor x = random_tensor({4, 3}, DType::f32, 1);
  const Tensor w = random_tensor({5, 3}, DType::f32, 2);
  const Tensor dx = random_tensor({4, 3}, DType::f32, 3), dw = random_tensor({5, 3}, DType::f32, 4);
  Tape tape;
  tape.watch(x, dx, true);
  tape.watch(w, dw, true);
  const Context::TapeScope scope(machine.ctx, &tape);
  const std::vector<int32_t> targets(4, -1);
  const std::vector<float> weights(4, 1.0f);
  const CrossEntropyResult result = linear_cross_entropy(machine.ctx, x, w, targets, weights);
  CHECK(result.loss.data<float>()[0] == 0.0f);
  tape.backward(machine.ctx, result.loss, tensor_of({1.0f}, {1}));
  tape.finish_leaves(machine.ctx);
  CHECK(same_bits(dx, Tensor::zeros({4, 3}, DType::f32)));
  CHECK(same_bits(dw, Tensor::zeros({5, 3}, DType::f32)));
}

TEST_CASE("cross_entropy: scales what it kept, and refuses to where the weight's sum has left") {
  Machine machine;
  const Tensor x = random_tensor({4, 3}, DType::f32, 1);
  const Tensor w = random_tensor({5, 3}, DType::f32, 2);
  const std::vector<int32_t> targets = {0, 4, 2, 1};
  const std::vector<float> weights(4, 1.0f);
  const auto run = [&](float factor, bool with_weight) {
    const Tensor dx = Tensor::zeros({4, 3}, DType::f32);
    Tape tape;
    tape.watch(x, dx, true);
    if (with_weight) tape.watch(w, Tensor::zeros({5, 3}, DType::f32), true);
    const Context::TapeScope scope(machine.ctx, &tape);
    const CrossEntropyResult result = linear_cross_entropy(machine.ctx, x, w, targets, weights);
    tape.backward(machine.ctx, result.loss, tensor_of({factor}, {1}));
    return dx;
  };
  const std::vector<double> one = values_of(run(1.0f, true));
  const std::vector<double> four = values_of(run(4.0f, false));
  for (size_t i = 0; i < one.size(); ++i) CHECK(four[i] == 4 * one[i]);
  CHECK_THROWS_AS(run(4.0f, true), Error);
}

TEST_CASE("cross_entropy: refuses targets that are no tokens") {
  Machine machine;
  const Tensor x = random_tensor({2, 3}, DType::f32, 1);
  const Tensor w = random_tensor({5, 3}, DType::f32, 2);
  const std::vector<float> weights(2, 1.0f);
  for (const int32_t target : {5, -2}) {
    const std::vector<int32_t> targets = {0, target};
    CHECK_THROWS_AS(linear_cross_entropy(machine.ctx, x, w, targets, weights), Error);
  }
  const std::vector<int32_t> targets = {0};
  CHECK_THROWS_AS(linear_cross_entropy(machine.ctx, x, w, targets, weights), Error);
}

}  // namespace
}  // namespace cadre::ops
