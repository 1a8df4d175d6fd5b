#include "core/kernels/rope.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr int64_t kTokens = 3, kHeads = 2, kPositions = 9;

struct Case {
  Case(DType type, int64_t head_dim, int64_t rotary_dim)
      : head(head_dim),
        rotary(rotary_dim),
        x(type, kTokens * kHeads * head_dim),
        y(type, kTokens * kHeads * head_dim),
        positions(DType::i32, kTokens),
        cosine(DType::f32, kPositions * rotary_dim / 2),
        sine(DType::f32, kPositions * rotary_dim / 2) {
    x.randomise(1);
    const int32_t wanted[kTokens] = {8, 0, 5};
    for (int64_t n = 0; n < kTokens; ++n) positions.i32()[n] = wanted[n];
    for (int64_t i = 0; i < cosine.count(); ++i) {
      cosine.f32()[i] = std::cos(0.37f * static_cast<float>(i));
      sine.f32()[i] = std::sin(0.37f * static_cast<float>(i));
    }
  }
  RopeArgs args(bool inverse = false) const {
    return {x.data(),   y.data(), x.type(), positions.i32(), cosine.f32(),
            sine.f32(), kHeads,   head,     rotary,          inverse};
  }

  int64_t head, rotary;
  GuardedBuffer x, y, positions, cosine, sine;
};

TEST_CASE("rope: every table agrees with the scalar one, in place too") {
  for (const KernelTable* table : fast_tables()) {
    for (DType type : {DType::f32, DType::bf16}) {
      for (const auto& [head, rotary] : {std::pair{2, 2},
                                         {7, 4},
                                         {8, 8},
                                         {16, 16},
                                         {18, 14},
                                         {33, 30},
                                         {64, 64},
                                         {96, 48},
                                         {128, 128}}) {
        for (bool inverse : {false, true}) {
          CAPTURE(table->name);
          CAPTURE(head);
          const Case want(type, head, rotary);
          const Case got(type, head, rotary);
          scalar_table().rope(want.args(inverse), {0, kTokens});
          table->rope(got.args(inverse), {0, 1});
          table->rope(got.args(inverse), {1, kTokens});
          CHECK(largest_error(got.y, want.y, 1) <= tolerance(type, 1e-6));
          RopeArgs in_place = got.args(inverse);
          in_place.y = got.x.data();
          table->rope(in_place, {0, kTokens});
          CHECK(same_bytes(got.x, got.y));
          CHECK(got.x.intact());
          CHECK(got.y.intact());
        }
      }
    }
  }
}

TEST_CASE("rope: pairs turn by their angle and the inverse turns them back") {
  for (const KernelTable* table : supported_tables()) {
    const Case c(DType::f32, 10, 6);
    table->rope(c.args(), {0, kTokens});
    const float angle = 0.37f * (8 * 3 + 1);  // token 0 stands at position 8; pair 1
    CHECK(c.y.get(1) ==
          doctest::Approx(c.x.get(1) * std::cos(angle) - c.x.get(4) * std::sin(angle)));
    CHECK(c.y.get(4) ==
          doctest::Approx(c.x.get(4) * std::cos(angle) + c.x.get(1) * std::sin(angle)));
    CHECK(c.y.get(9) == c.x.get(9));
    RopeArgs back = c.args(true);
    back.x = back.y;
    table->rope(back, {0, kTokens});
    CHECK(largest_error(c.y, c.x, 1) <= 1e-6);
  }
}

// The map is linear and orthogonal, so its transpose, which the derivative is, is the inverse.
TEST_CASE("rope: the inverse is the derivative") {
  const Case forward(DType::f32, 10, 6);
  Case backward(DType::f32, 10, 6);
  backward.x.randomise(7);  // dy
  scalar_table().rope(forward.args(), {0, kTokens});
  scalar_table().rope(backward.args(true), {0, kTokens});
  double through_y = 0, through_dx = 0;
  for (int64_t i = 0; i < forward.x.count(); ++i) {
    through_y += double{forward.y.get(i)} * backward.x.get(i);
    through_dx += double{forward.x.get(i)} * backward.y.get(i);
  }
  CHECK(through_y == doctest::Approx(through_dx).epsilon(1e-6));
}

}  // namespace
}  // namespace cadre::kernels::testing
