#include "core/kernels/elementwise.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/random.h"
#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::bf16};
constexpr DType kAllTypes[] = {DType::f32, DType::bf16, DType::f16};
constexpr int64_t kWidths[] = {1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1031};

TEST_CASE("cast: every table gives the bits of the scalar one") {
  for (const KernelTable* table : fast_tables()) {
    for (DType x_type : kAllTypes) {
      for (DType y_type : kAllTypes) {
        for (int64_t width : kWidths) {
          CAPTURE(table->name);
          CAPTURE(width);
          GuardedBuffer x(x_type, width), want(y_type, width), got(y_type, width);
          x.randomise(1, width % 2 == 0 ? 1.0 : 1e-6);  // subnormal in f16
          scalar_table().cast({x.data(), x_type, want.data(), y_type}, {0, width});
          table->cast({x.data(), x_type, got.data(), y_type}, {0, width / 3});
          table->cast({x.data(), x_type, got.data(), y_type}, {width / 3, width});
          CHECK(same_bytes(got, want));
          CHECK((x.intact() && got.intact()));
        }
      }
    }
  }
}

TEST_CASE("cast: ties, overflow, subnormals, infinities and NaN as IEEE 754 has them") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float inputs[] = {0.0f,        -0.0f,      kInf,       -kInf,
                          65519.0f,    65520.0f,   3.4e38f,    1e-45f,
                          0x1p-24f,    0x1p-25f,   0x1.8p-24f, 1.00390625f,
                          1.01171875f, 0x1.004p0f, 1e-40f,     std::bit_cast<float>(0x7f800001u)};
  const int64_t count = std::size(inputs);
  for (const KernelTable* table : fast_tables()) {
    CAPTURE(table->name);
    for (DType type : kAllTypes) {
      GuardedBuffer x(DType::f32, count), want(type, count), got(type, count);
      std::memcpy(x.data(), inputs, sizeof inputs);
      scalar_table().cast({x.data(), DType::f32, want.data(), type}, {0, count});
      table->cast({x.data(), DType::f32, got.data(), type}, {0, count});
      for (int64_t i = 0; i < count; ++i) {
        CAPTURE(inputs[i]);
        if (std::isnan(inputs[i])) {
          CHECK(std::isnan(got.get(i)));
        } else {
          CHECK(std::bit_cast<uint32_t>(got.get(i)) == std::bit_cast<uint32_t>(want.get(i)));
        }
      }
    }
  }
}

TEST_CASE("cast: every f16 and bf16 goes to f32 and back unchanged") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    for (DType type : {DType::bf16, DType::f16}) {
      GuardedBuffer x(type, 1 << 16), wide(DType::f32, 1 << 16), back(type, 1 << 16);
      auto* bits = static_cast<uint16_t*>(x.data());
      for (int i = 0; i < 1 << 16; ++i) bits[i] = static_cast<uint16_t>(i);
      table->cast({x.data(), type, wide.data(), DType::f32}, {0, 1 << 16});
      table->cast({wide.data(), DType::f32, back.data(), type}, {0, 1 << 16});
      int64_t wrong = 0;
      for (int i = 0; i < 1 << 16; ++i) {
        const bool nan = std::isnan(x.get(i));
        if (nan ? !std::isnan(back.get(i)) : static_cast<uint16_t*>(back.data())[i] != bits[i]) {
          ++wrong;
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("add: every table agrees with the scalar one, with and without b, in place too") {
  for (const KernelTable* table : fast_tables()) {
    for (DType a_type : kTypes) {
      for (DType b_type : kTypes) {
        for (DType y_type : kTypes) {
          for (int64_t width : kWidths) {
            CAPTURE(table->name);
            CAPTURE(width);
            GuardedBuffer a(a_type, width), b(b_type, width), want(y_type, width),
                got(y_type, width);
            a.randomise(1);
            b.randomise(2);
            AddArgs args = {a.data(), a_type, b.data(), b_type, want.data(), y_type, 0.7f, -1.3f};
            scalar_table().add(args, {0, width});
            args.y = got.data();
            table->add(args, {0, width / 2});
            table->add(args, {width / 2, width});
            CHECK(largest_error(got, want, 1) <= tolerance(y_type, 1e-6));
            if (a_type == y_type) {
              args.y = a.data();
              table->add(args, {0, width});
              CHECK(same_bytes(a, got));
            }
            args = {a.data(), a_type, nullptr, b_type, want.data(), y_type, 0.5f, 0.0f};
            scalar_table().add(args, {0, width});
            args.y = got.data();
            table->add(args, {0, width});
            CHECK(same_bytes(got, want));
            CHECK((a.intact() && b.intact() && got.intact()));
          }
        }
      }
    }
  }
}

TEST_CASE("dropout: every table keeps the elements that the random stream says") {
  constexpr uint64_t kSeed = 0x123456789abcdef0ull, kStream = 77;
  for (uint64_t offset : {uint64_t{0}, uint64_t{0xfffffff8}, ~uint64_t{20}}) {
    for (const KernelTable* table : supported_tables()) {
      for (DType type : kTypes) {
        for (int64_t width : {1, 7, 8, 9, 16, 17, 33, 1031}) {
          CAPTURE(table->name);
          CAPTURE(width);
          GuardedBuffer x(type, width), y(type, width);
          x.randomise(3);
          const DropoutArgs args = {x.data(), y.data(), type, kSeed, kStream, offset, 0.3f};
          table->dropout(args, {0, width / 3});
          table->dropout(args, {width / 3, width});
          const RandomStream random(kSeed, kStream);
          GuardedBuffer want(type, width);
          for (int64_t i = 0; i < width; ++i) {
            const bool keep = random.uniform_at(offset + i) >= 0.3f;
            want.set(i, keep ? x.get(i) * (1.0f / (1.0f - 0.3f)) : 0.0f);
          }
          CHECK(same_bytes(y, want));
          CHECK((x.intact() && y.intact()));
        }
      }
    }
  }
}

TEST_CASE("dropout: probability 0 changes nothing, and p is what goes") {
  for (const KernelTable* table : supported_tables()) {
    CAPTURE(table->name);
    constexpr int64_t kCount = 20000;
    GuardedBuffer x(DType::f32, kCount), y(DType::f32, kCount);
    x.fill(1);
    table->dropout({x.data(), y.data(), DType::f32, 1, 2, 3, 0.0f}, {0, kCount});
    CHECK(same_bytes(x, y));
    table->dropout({x.data(), y.data(), DType::f32, 1, 2, 3, 0.25f}, {0, kCount});
    int64_t gone = 0;
    for (int64_t i = 0; i < kCount; ++i) gone += y.get(i) == 0 ? 1 : 0;
    CHECK(std::fabs(gone / double{kCount} - 0.25) < 5 * std::sqrt(0.25 * 0.75 / kCount));
  }
}

TEST_CASE("sum_squares: every table is within f64 rounding of the scalar one") {
  for (const KernelTable* table : fast_tables()) {
    for (int64_t width : {0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 129, 10001}) {
      CAPTURE(table->name);
      CAPTURE(width);
      GuardedBuffer x(DType::f32, width);
      x.randomise(5);
      if (width > 2) x.set(1, 1e15f);  // whose square swallows the rest in f32
      const double want = scalar_table().sum_squares(x.f32(), {0, width});
      CHECK(table->sum_squares(x.f32(), {0, width}) == doctest::Approx(want).epsilon(1e-13));
      CHECK(x.intact());
    }
  }
}

}  // namespace
}  // namespace cadre::kernels::testing
