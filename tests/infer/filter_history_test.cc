#include "infer/filter_history.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/base/random.h"
#include "tests/model/machine.h"

namespace cadre::infer {
namespace {

constexpr int64_t kHidden = 3;
constexpr int64_t kInner = 2;

// Rows that say which position they are of, in a version of the text.
ops::LocalFilterRows rows_of(Context& ctx, int64_t begin, int64_t count, float version) {
  const ops::LocalFilterRows rows = {ctx.empty({count, kHidden}, DType::f32),
                                     ctx.empty({count, kInner}, DType::f32)};
  for (int64_t i = 0; i < count; ++i) {
    std::fill_n(rows.hidden.data<float>() + i * kHidden, kHidden,
                static_cast<float>(begin + i) + version);
    std::fill_n(rows.inner.data<float>() + i * kInner, kInner,
                -static_cast<float>(begin + i) - version);
  }
  return rows;
}

}  // namespace

TEST_CASE("filter history: starts with zeros, then has the rows of the last token") {
  Machine machine;
  FilterHistory history(kHidden, kInner, DType::f32);
  CHECK(history.last(machine.ctx).hidden.data<float>()[2] == 0.0f);
  CHECK(history.last(machine.ctx).inner.data<float>()[1] == 0.0f);
  for (const int64_t count : {1, 2, 63, 64, 65, 300, 1}) {
    const int64_t begin = history.length();
    history.append(machine.ctx, rows_of(machine.ctx, begin, count, 0.0f));
    CHECK(history.length() == begin + count);
    CHECK(history.last(machine.ctx).hidden.data<float>()[0] ==
          static_cast<float>(begin + count - 1));
  }
}

TEST_CASE("filter history: goes back exactly among recent tokens, else to a milestone below") {
  Machine machine;
  FilterHistory history(kHidden, kInner, DType::f32);
  history.append(machine.ctx, rows_of(machine.ctx, 0, 500, 0.0f));
  CHECK(history.restorable(500) == 500);
  CHECK(history.restorable(437) == 437);
  CHECK(history.restorable(436) == 384);
  CHECK(history.restorable(64) == 64);
  CHECK(history.restorable(63) == 0);
  CHECK(history.restorable(0) == 0);
}

TEST_CASE("filter history: random steps forth and back always end with the right rows") {
  Machine machine;
  RandomStream random(3);
  FilterHistory history(kHidden, kInner, DType::f32);
  std::vector<float> text;  // the version of each position
  for (int step = 0; step < 2000; ++step) {
    if (random.below(3) == 0) {
      const auto target = static_cast<int64_t>(random.below(text.size() + 1));
      const int64_t expected = history.restorable(target);
      CHECK(expected <= target);
      CHECK(expected > target - FilterHistory::kRecent);
      history.truncate(target);
      CHECK(history.length() == expected);
      text.resize(static_cast<size_t>(expected));
    } else {
      const auto count = static_cast<int64_t>(1 + random.below(random.below(4) == 0 ? 200 : 4));
      const float version = 0.25f * static_cast<float>(step % 4);
      history.append(machine.ctx, rows_of(machine.ctx, history.length(), count, version));
      text.resize(text.size() + static_cast<size_t>(count), version);
    }
    const float expected = text.empty() ? 0.0f : static_cast<float>(text.size() - 1) + text.back();
    REQUIRE(history.last(machine.ctx).hidden.data<float>()[0] == expected);
    REQUIRE(history.last(machine.ctx).inner.data<float>()[0] == -expected);
  }
}

}  // namespace cadre::infer
