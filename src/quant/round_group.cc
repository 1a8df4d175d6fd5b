#include "quant/round_group.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace cadre::quant {
namespace {

constexpr int kLanes = 8;
constexpr int64_t kRowsOfTask = 8;

// Sums in eight lanes, which compilers turn into vectors; one order.
struct Sums {
  std::array<float, kLanes> lanes{};
  float total() const {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }
};

struct Group {
  std::span<const float> x;
  std::span<const float> w;  // empty: all alike
  float low;                 // of the integers
  float high;

  // Next to x / scale + zero; NaN becomes the lowest.
  float nearest(float value, float inverse, float zero) const {
    const float moved = value * inverse + zero;
    const float clamped = std::min(moved > low ? moved : low, high);
    return (clamped + 12582912.0f) - 12582912.0f;  // ties to even
  }
};

struct Choice {
  float scale = 0.0f;
  float zero = 0.0f;
  float error = 3e38f;
};

struct Fit {
  float error;
  float better_scale;  // by least squares for these integers; 0 if there is none
};

float inverse_of(float scale) { return std::fabs(scale) > 1e-37f ? 1.0f / scale : 0.0f; }

// A scale as it will be stored: bf16 numbers of at least 2^-17 are f16 numbers too.
float stored_scale(float scale) { return to_f32(to_bf16(scale)); }

Fit fit(const Group& group, float scale, float zero) {
  const float inverse = inverse_of(scale);
  Sums error;
  Sums squares;
  Sums products;
  const size_t count = group.x.size();
  for (size_t at = 0; at < count; at += kLanes) {
    for (size_t i = 0; i < kLanes; ++i) {
      const float x = group.x[at + i];
      const float w = group.w.empty() ? 1.0f : group.w[at + i];
      const float q = group.nearest(x, inverse, zero) - zero;
      const float rest = q * scale - x;
      error.lanes[i] += w * rest * rest;
      squares.lanes[i] += w * q * q;
      products.lanes[i] += w * q * x;
    }
  }
  const float total = squares.total();
  return {error.total(), total > 0.0f ? products.total() / total : 0.0f};
}

void descend(const Group& group, float scale, float zero, Choice& best) {
  float last = 3e38f;
  for (int turn = 0; turn < 4; ++turn) {
    scale = stored_scale(scale);
    const Fit now = fit(group, scale, zero);
    if (now.error < best.error) best = {scale, zero, now.error};
    if (!(now.error < last) || now.better_scale == 0.0f) return;
    last = now.error;
    scale = now.better_scale;
  }
}

Choice search_symmetric(const Group& group) {
  float largest = 0.0f;
  for (const float x : group.x) largest = std::fabs(x) > largest ? std::fabs(x) : largest;
  Choice best;
  descend(group, 0.0f, 0.0f, best);
  if (!(largest > 0.0f)) return best;
  for (int start = 0; start < 8; ++start) {
    const float reach = group.high - 1.0f + 0.5f * static_cast<float>(start);
    descend(group, largest / reach, 0.0f, best);
  }
  return best;
}

Choice search_affine(const Group& group) {
  float low = 0.0f;
  float high = 0.0f;
  for (const float x : group.x) {
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  Choice best;
  descend(group, 0.0f, 0.0f, best);
  if (!(high > low)) return best;
  for (int start = 0; start < 7; ++start) {
    const float steps = group.high - group.low - 1.0f + 0.5f * static_cast<float>(start);
    const float scale = (high - low) / steps;
    const float zero = std::nearbyint(std::clamp(group.low - low / scale, group.low, group.high));
    for (const float other : {zero - 1.0f, zero, zero + 1.0f}) {
      if (other < group.low || other > group.high) continue;
      descend(group, scale, other, best);
    }
  }
  return best;
}

}  // namespace

GroupedIntegers round_groups(Context& ctx, std::span<const float> x, int64_t width,
                             std::span<const float> importance, const GroupFormat& format) {
  CADRE_CHECK(format.group > 0 && width % format.group == 0 && format.group % kLanes == 0);
  CADRE_CHECK(format.bits == 4 || format.bits == 8);
  const auto rows = static_cast<int64_t>(x.size()) / width;
  const int64_t groups = width / format.group;
  GroupedIntegers result;
  result.quants.resize(x.size());
  result.scales.resize(static_cast<size_t>(rows * groups));
  if (!format.symmetric) result.zeros.resize(result.scales.size());
  const auto half = static_cast<float>(1 << (format.bits - 1));
  ctx.for_blocks(rows, kRowsOfTask, [&](Range range) {
    for (int64_t g = range.begin * groups; g < range.end * groups; ++g) {
      const auto size = static_cast<size_t>(format.group);
      const auto at = static_cast<size_t>(g) * size;
      const auto column = static_cast<size_t>(g % groups) * size;
      const Group group = {x.subspan(at, size),
                           importance.empty() ? importance : importance.subspan(column, size),
                           -half, half - 1.0f};
      const Choice best = format.symmetric ? search_symmetric(group) : search_affine(group);
      const float inverse = inverse_of(best.scale);
      for (size_t i = 0; i < size; ++i) {
        result.quants[at + i] = static_cast<int8_t>(group.nearest(group.x[i], inverse, best.zero));
      }
      result.scales[static_cast<size_t>(g)] = best.scale;
      if (!format.symmetric) result.zeros[static_cast<size_t>(g)] = static_cast<int8_t>(best.zero);
    }
  });
  return result;
}

}  // namespace cadre::quant
