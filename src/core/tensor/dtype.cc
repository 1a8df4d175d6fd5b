#include "core/tensor/dtype.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace cadre {
namespace {

struct Name {
  DType dtype;
  std::string_view name;
};

constexpr std::array kNames = {
    Name{DType::f32, "f32"},      Name{DType::bf16, "bf16"},       Name{DType::f16, "f16"},
    Name{DType::f64, "f64"},      Name{DType::i64, "i64"},         Name{DType::i32, "i32"},
    Name{DType::i16, "i16"},      Name{DType::i8, "i8"},           Name{DType::u8, "u8"},
    Name{DType::boolean, "bool"}, Name{DType::f8_e4m3, "f8_e4m3"}, Name{DType::f8_e5m2, "f8_e5m2"},
};

}  // namespace

std::string_view dtype_name(DType dtype) {
  const auto* found =
      std::find_if(kNames.begin(), kNames.end(), [&](const Name& n) { return n.dtype == dtype; });
  return found->name;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Name& entry : kNames) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

float to_f32(f16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t exponent = (x.bits >> 10) & 0x1fu;
  const uint32_t fraction = x.bits & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

f16 to_f16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const float magnitude = std::fabs(x);
  if (std::isnan(x)) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7c00u)};
  if (magnitude < 0x1p-14f) {  // subnormal: nearbyint rounds ties to even
    return {
        static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f)))};
  }
  const uint32_t rounded = (bits & 0x7fffffffu) + 0xfffu + ((bits >> 13) & 1u);
  return {static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13))};
}

}  // namespace cadre
