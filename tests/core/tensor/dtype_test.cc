#include "core/tensor/dtype.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace cadre {
namespace {

constexpr DType kAll[] = {DType::f32, DType::bf16,    DType::f16,     DType::f64,
                          DType::i64, DType::i32,     DType::i16,     DType::i8,
                          DType::u8,  DType::boolean, DType::f8_e4m3, DType::f8_e5m2};

// The nearest value of the format, by trying its neighbours in f64; ties go to the even pattern.
template <typename T>
uint16_t nearest_bits(double x, uint16_t low, uint16_t high) {
  const double below = x - static_cast<double>(to_f32(T{low}));
  const double above = static_cast<double>(to_f32(T{high})) - x;
  if (below != above) return below < above ? low : high;
  return low % 2 == 0 ? low : high;
}

// Checks the conversion at, just beside and half-way between neighbouring positive finite values.
template <typename T, typename Convert>
int64_t count_wrong(uint16_t last, Convert convert) {
  int64_t wrong = 0;
  for (uint16_t bits = 0; bits < last; ++bits) {
    const auto next = static_cast<uint16_t>(bits + 1);
    const float a = to_f32(T{bits});
    const float b = to_f32(T{next});
    const float middle = a + (b - a) / 2;
    for (const float x : {a, std::nextafterf(a, b), std::nextafterf(middle, a), middle,
                          std::nextafterf(middle, b), std::nextafterf(b, a)}) {
      wrong += convert(x).bits != nearest_bits<T>(x, bits, next) ? 1 : 0;
      wrong += convert(-x).bits != (nearest_bits<T>(x, bits, next) | 0x8000u) ? 1 : 0;
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("dtype: names read back and sizes are those of the elements") {
  for (const DType dtype : kAll) {
    CHECK(dtype_from_name(dtype_name(dtype)) == dtype);
    CHECK(dtype_size(dtype) >= 1);
  }
  CHECK_FALSE(dtype_from_name("F32"));
  CHECK_FALSE(dtype_from_name(""));
  CHECK(dtype_name(DType::boolean) == "bool");
}

TEST_CASE("dtype: every f16 and bf16 survives the way to f32 and back") {
  int64_t wrong = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto pattern = static_cast<uint16_t>(bits);
    const float from_bf16 = to_f32(bf16{pattern});
    const float from_f16 = to_f32(f16{pattern});
    if (std::isnan(from_bf16)) {
      wrong += std::isnan(to_f32(to_bf16(from_bf16))) ? 0 : 1;
    } else {
      wrong += to_bf16(from_bf16).bits == pattern ? 0 : 1;
    }
    if (std::isnan(from_f16)) {
      wrong += std::isnan(to_f32(to_f16(from_f16))) ? 0 : 1;
    } else {
      wrong += to_f16(from_f16).bits == pattern ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("dtype: f16 has the values of IEEE 754 binary16") {
  CHECK(to_f32(f16{0x3c00}) == 1.0f);
  CHECK(to_f32(f16{0x0001}) == 0x1p-24f);
  CHECK(to_f32(f16{0x03ff}) == 1023 * 0x1p-24f);
  CHECK(to_f32(f16{0x7bff}) == 65504.0f);
  CHECK(std::isinf(to_f32(f16{0xfc00})));
  CHECK(std::signbit(to_f32(f16{0x8000})));
  CHECK(to_f16(65519.996f).bits == 0x7bff);
  CHECK(to_f16(65520.0f).bits == 0x7c00);
  CHECK(to_f16(-1e30f).bits == 0xfc00);
  CHECK(to_f16(1e-30f).bits == 0);
  CHECK(to_f16(0x1p-25f).bits == 0);  // half of the smallest: ties to even
  CHECK(to_f16(std::nextafterf(0x1p-25f, 1.0f)).bits == 1);
}

TEST_CASE("dtype: conversion rounds to the nearest value, ties to even") {
  CHECK(count_wrong<bf16>(0x7f7f, to_bf16) == 0);
  CHECK(count_wrong<f16>(0x7bff, to_f16) == 0);
}

TEST_CASE("dtype: infinity and NaN stay what they are in bf16") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(to_f32(to_bf16(infinity)) == infinity);
  CHECK(to_f32(to_bf16(-infinity)) == -infinity);
  CHECK(to_f32(to_bf16(std::numeric_limits<float>::max())) == infinity);
  for (const uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0x7fc00000u}) {
    CHECK(std::isnan(to_f32(to_bf16(std::bit_cast<float>(bits)))));
    CHECK(std::isnan(to_f32(to_f16(std::bit_cast<float>(bits)))));
  }
}

}  // namespace cadre
