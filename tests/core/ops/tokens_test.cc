#include <doctest/doctest.h>

#include <cmath>

#include "core/ops/elementwise.h"
#include "core/ops/embedding.h"
#include "core/ops/rope.h"
#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

TEST_CASE("embedding: rows of one token are summed in order, untouched rows are cleared") {
  Machine machine;
  const Tensor w = random_tensor({6, 3}, DType::bf16, 1);
  const std::vector<int32_t> tokens = {4, 1, 4, 4};
  const Tensor dy = random_tensor({4, 3}, DType::f32, 2);
  for (const bool fresh : {true, false}) {
    const Tensor dw = tensor_of(std::vector<float>(18, 1.0f), {6, 3});
    Tape tape;
    tape.watch(w, dw, fresh);
    const Context::TapeScope scope(machine.ctx, &tape);
    const Tensor y = embedding(machine.ctx, w, tokens, DType::f32);
    CHECK(values_of(y.slice(1, 2)) == values_of(w.slice(1, 2)));
    CHECK(values_of(y.slice(3, 4)) == values_of(w.slice(4, 5)));
    tape.backward(machine.ctx, y, random_tensor({4, 3}, DType::f32, 2));
    const float base = fresh ? 0.0f : 1.0f;
    const float* d = dy.data<float>();
    for (int64_t i = 0; i < 3; ++i) {
      CHECK(dw.data<float>()[4 * 3 + i] == ((base + d[i]) + d[2 * 3 + i]) + d[3 * 3 + i]);
      CHECK(dw.data<float>()[1 * 3 + i] == base + d[3 + i]);
      CHECK(dw.data<float>()[5 * 3 + i] == base);
    }
  }
  for (const int32_t wrong : {6, -1}) {
    const std::vector<int32_t> bad = {0, wrong};
    CHECK_THROWS_AS(embedding(machine.ctx, w, bad, DType::f32), Error);
  }
}

TEST_CASE("rope: the definition in double, with elements beyond the rotary dimension copied") {
  Machine machine;
  const auto table = std::make_shared<const RopeTable>(600, 6, 1e4);
  const auto positions =
      std::make_shared<const std::vector<int32_t>>(std::vector<int32_t>{0, 1, 77, 599});
  const Tensor x = random_tensor({4, 2 * 8}, DType::f32, 1);
  const std::vector<double> y = values_of(rope(machine.ctx, x, 2, positions, table));
  const std::vector<double> v = values_of(x);
  for (size_t n = 0; n < 4; ++n) {
    for (size_t h = 0; h < 2; ++h) {
      const size_t at = n * 16 + h * 8;
      for (size_t i = 0; i < 3; ++i) {
        const double angle = (*positions)[n] * std::pow(1e4, -2.0 * static_cast<double>(i) / 6.0);
        const double a = v[at + i], b = v[at + i + 3];
        CHECK(y[at + i] ==
              doctest::Approx(a * std::cos(angle) - b * std::sin(angle)).epsilon(1e-5));
        CHECK(y[at + i + 3] ==
              doctest::Approx(b * std::cos(angle) + a * std::sin(angle)).epsilon(1e-5));
      }
      CHECK(y[at + 6] == v[at + 6]);
      CHECK(y[at + 7] == v[at + 7]);
    }
  }
  const auto beyond = std::make_shared<const std::vector<int32_t>>(4, 600);
  CHECK_THROWS_AS(rope(machine.ctx, x, 2, beyond, table), Error);
  CHECK_THROWS_AS(RopeTable(8, 3, 1e4), Error);
}

TEST_CASE("dropout: keeps a share, scales it, and does nothing without a tape") {
  Machine machine;
  const Tensor x = tensor_of(std::vector<float>(20000, 1.0f), {20000});
  CHECK(dropout(machine.ctx, x, 0.25f, 1, 1).identity() == x.identity());
  Tape tape;
  const Context::TapeScope scope(machine.ctx, &tape);
  const Tensor y = dropout(machine.ctx, x, 0.25f, 1, 1);
  int64_t kept = 0;
  for (const float v : y.span<float>()) {
    CHECK((v == 0.0f || v == doctest::Approx(1.0 / 0.75)));
    kept += v != 0.0f ? 1 : 0;
  }
  CHECK(static_cast<double>(kept) / 20000 == doctest::Approx(0.75).epsilon(0.02));
  CHECK(same_bits(y, dropout(machine.ctx, x, 0.25f, 1, 1)));
  CHECK_FALSE(same_bits(y, dropout(machine.ctx, x, 0.25f, 1, 2)));
  CHECK(dropout(machine.ctx, x, 0.0f, 1, 1).identity() == x.identity());
  CHECK_THROWS_AS(dropout(machine.ctx, x, 1.0f, 1, 1), Error);
}

}  // namespace
}  // namespace cadre::ops
