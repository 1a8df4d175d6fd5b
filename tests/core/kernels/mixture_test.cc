#include "core/kernels/mixture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/base/random.h"
#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::bf16};
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST_CASE("top_k: every table gives what sorting gives, ties to the lower index") {
  constexpr int64_t kRows = 7;
  for (const KernelTable* table : supported_tables()) {
    for (int64_t experts : {1, 2, 7, 8, 9, 16, 17, 32, 60, 64, 65, 128, 500, 4096, 4097}) {
      for (int64_t k : {1, 2, 6, 8, 64}) {
        if (k > experts) continue;
        CAPTURE(table->name);
        CAPTURE(experts);
        CAPTURE(k);
        GuardedBuffer scores(DType::f32, kRows * experts), values(DType::f32, kRows * k),
            chosen(DType::i32, kRows * k);
        scores.randomise(1);
        for (int64_t e = 0; e < experts; ++e) {
          scores.set(e, std::round(scores.get(e)));                               // many ties
          scores.set(experts + e, e % 3 == 0 ? -0.0f : 0.0f);                     // equal
          scores.set(2 * experts + e, -kInf);                                     // all lost
          scores.set(3 * experts + e, e % 2 == 0 ? NAN : static_cast<float>(e));  // NaN comes last
          if (e % 5 != 1) scores.set(4 * experts + e, -kInf);
        }
        scores.set(5 * experts, kInf);
        table->top_k({scores.f32(), experts, k, chosen.i32(), values.f32()}, {0, 3});
        table->top_k({scores.f32(), experts, k, chosen.i32(), values.f32()}, {3, kRows});
        int64_t wrong = 0;
        for (int64_t n = 0; n < kRows; ++n) {
          const auto score = [&](int64_t e) {
            const float s = scores.get(n * experts + e);
            return std::isnan(s) ? -kInf : s;
          };
          std::vector<int32_t> order(experts);
          std::iota(order.begin(), order.end(), 0);
          std::stable_sort(order.begin(), order.end(),
                           [&](int32_t a, int32_t b) { return score(a) > score(b); });
          for (int64_t j = 0; j < k; ++j) {
            wrong +=
                chosen.i32()[n * k + j] != order[j] || values.get(n * k + j) != score(order[j]);
          }
        }
        CHECK(wrong == 0);
        CHECK((scores.intact() && chosen.intact() && values.intact()));
      }
    }
  }
}

TEST_CASE("gather_rows: rows are moved bit for bit, negative sources give zeros") {
  for (const KernelTable* table : supported_tables()) {
    for (DType type : kTypes) {
      for (int64_t width : {1, 7, 16, 33, 100, 2048}) {
        GuardedBuffer x(type, 3 * width), y(type, 5 * width), source(DType::i32, 5);
        x.randomise(1);
        const int32_t sources[5] = {2, -1, 0, 2, 1};
        std::memcpy(source.data(), sources, sizeof sources);
        table->gather_rows({x.data(), y.data(), type, source.i32(), width}, {0, 2});
        table->gather_rows({x.data(), y.data(), type, source.i32(), width}, {2, 5});
        for (int64_t i = 0; i < 5; ++i) {
          for (int64_t d = 0; d < width; ++d) {
            CHECK(y.get(i * width + d) == (sources[i] < 0 ? 0 : x.get(sources[i] * width + d)));
          }
        }
        CHECK(y.intact());
      }
    }
  }
}

// Four tokens over ten slots in no order, some of them dropped; token 2 lost all of its experts.
constexpr int64_t kTokens = 4, kSlots = 10, kK = 3;
constexpr int32_t kSlotOf[kTokens * kK] = {7, 0, 3, -1, 9, 1, -1, -1, -1, 4, -1, 2};

struct Case {
  Case(DType x_type, DType y_type, int64_t columns)
      : width(columns),
        x(x_type, kSlots * columns),
        y(y_type, kTokens * columns),
        dx(x_type, kSlots * columns),
        weight(DType::f32, kTokens * kK),
        dweight(DType::f32, kTokens * kK),
        slot(DType::i32, kTokens * kK) {
    x.randomise(1);
    y.randomise(2);
    weight.randomise(3);
    dx.fill(5);
    std::memcpy(slot.data(), kSlotOf, sizeof kSlotOf);
  }
  CombineArgs args(bool accumulate) const {
    return {x.data(), weight.f32(), slot.i32(), y.data(), x.type(),
            y.type(), accumulate,   kK,         width};
  }
  CombineBackwardArgs backward() const {
    return {x.data(),      y.data(), weight.f32(), slot.i32(), dx.data(),
            dweight.f32(), x.type(), y.type(),     kK,         width};
  }
  bool intact() const {
    return x.intact() && y.intact() && dx.intact() && weight.intact() && dweight.intact();
  }

  int64_t width;
  GuardedBuffer x, y, dx, weight, dweight, slot;
};

TEST_CASE("combine: every table agrees with the scalar one, with and without weights") {
  for (const KernelTable* table : fast_tables()) {
    for (DType x_type : kTypes) {
      for (DType y_type : kTypes) {
        for (int64_t width : {1, 7, 8, 9, 15, 16, 17, 33, 64, 65, 100, 127, 129, 2048}) {
          for (bool accumulate : {false, true}) {
            for (bool weighted : {false, true}) {
              CAPTURE(table->name);
              CAPTURE(width);
              const Case want(x_type, y_type, width);
              const Case got(x_type, y_type, width);
              CombineArgs args = want.args(accumulate);
              if (!weighted) args.weight = nullptr;
              scalar_table().combine(args, {0, kTokens});
              args.x = got.x.data();
              args.y = got.y.data();
              table->combine(args, {0, 1});
              table->combine(args, {1, kTokens});
              CHECK(largest_error(got.y, want.y, 1) <= tolerance(y_type, 1e-6));
              if (!accumulate) CHECK(got.y.get(2 * width) == 0);
              CHECK(got.intact());
            }
          }
        }
      }
    }
  }
}

TEST_CASE("combine_backward: every table agrees with the scalar one and touches named rows only") {
  for (const KernelTable* table : fast_tables()) {
    for (DType x_type : kTypes) {
      for (DType y_type : kTypes) {
        for (int64_t width : {1, 7, 8, 9, 15, 16, 17, 33, 64, 65, 100, 2048}) {
          CAPTURE(table->name);
          CAPTURE(width);
          const Case want(x_type, y_type, width);
          const Case got(x_type, y_type, width);
          scalar_table().combine_backward(want.backward(), {0, kTokens});
          table->combine_backward(got.backward(), {0, 3});
          table->combine_backward(got.backward(), {3, kTokens});
          CHECK(same_bytes(got.dx, want.dx));  // one product, rounded once
          CHECK(got.dx.get(5 * width) == 5);
          CHECK(largest_error(got.dweight, want.dweight, width) <= 1e-6);
          CHECK(got.dweight.get(3) == 0);
          CombineBackwardArgs in_place = got.backward();
          in_place.dx = got.x.data();
          in_place.dweight = want.dweight.f32();
          table->combine_backward(in_place, {0, kTokens});
          CHECK(same_bytes(got.dweight, want.dweight));
          for (int64_t d = 0; d < width; ++d) {
            CHECK(got.x.get(7 * width + d) == got.dx.get(7 * width + d));
          }
          CHECK(got.intact());
        }
      }
    }
  }
}

TEST_CASE("combine_backward: weights may be absent, and dweight may not be wanted") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    const Case c(DType::f32, DType::f32, 33);
    CombineBackwardArgs args = c.backward();
    args.weight = nullptr;
    args.dweight = nullptr;
    args.x = nullptr;
    table->combine_backward(args, {0, kTokens});
    for (int64_t d = 0; d < 33; ++d) CHECK(c.dx.get(9 * 33 + d) == c.y.get(33 + d));
  }
}

TEST_CASE("combine_backward: the scalar derivatives are those of combine") {
  constexpr int64_t kWidth = 3;
  const Case c(DType::f32, DType::f32, kWidth);  // c.y serves as dy
  const auto loss = [&](const std::vector<double>& x, const std::vector<double>& weight) {
    double sum = 0;
    for (int64_t j = 0; j < kTokens * kK; ++j) {
      for (int64_t d = 0; d < kWidth && kSlotOf[j] >= 0; ++d) {
        sum += c.y.get(j / kK * kWidth + d) * weight[j] * x[kSlotOf[j] * kWidth + d];
      }
    }
    return sum;
  };
  auto dx = central_differences(
      [&](const std::vector<double>& x) { return loss(x, c.weight.values()); }, c.x.values());
  const auto dweight = central_differences(
      [&](const std::vector<double>& w) { return loss(c.x.values(), w); }, c.weight.values());
  scalar_table().combine_backward(c.backward(), {0, kTokens});
  for (int64_t slot : {5, 6, 8}) {  // nobody's
    for (int64_t d = 0; d < kWidth; ++d) dx[slot * kWidth + d] = 5;
  }
  CHECK(largest_error(c.dx.values(), dx, 1e-2) <= 1e-5);
  CHECK(largest_error(c.dweight.values(), dweight, 1e-2) <= 1e-5);
}

}  // namespace
}  // namespace cadre::kernels::testing
