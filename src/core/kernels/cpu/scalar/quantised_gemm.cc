#include "core/kernels/quantised_gemm.h"

#include <cmath>

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"
#include "core/tensor/packed_block.h"

namespace cadre::kernels::scalar {
namespace {

float element(const QuantisedGemmArgs& args, int64_t t, int64_t row) {
  const int64_t block_size = packed_block_size(args.format);
  const int64_t group_size = packed_scale_group(args.format);
  const int8_t* x = args.x.quants + t * args.k;
  const std::byte* tile = args.tiles + row / kPackedRows * packed_tile_bytes(args.format, args.k);
  const int64_t r = row % kPackedRows;
  float acc = 0.0f;
  for (int64_t i = 0; i < args.k; i += group_size) {
    const PackedBlock block = {args.format,
                               tile + i / block_size * packed_block_bytes(args.format)};
    const int64_t group = i % block_size / group_size;
    int32_t dot = 0;
    for (int64_t j = 0; j < group_size; ++j) {
      dot += x[i + j] * block.value(r, i % block_size + j);
    }
    const int64_t x_group = t * (args.k / kPackedGroup) + i / kPackedGroup;
    const float scaled = args.x.scales[x_group] * static_cast<float>(dot);
    acc = std::fma(block.scale(r, group), scaled, acc);
    if (packed_has_minimum(args.format)) {
      acc = std::fma(block.minimum(r, group), args.x.x_minimums[x_group], acc);
    }
  }
  return acc;
}

}  // namespace

void quantised_gemm(const QuantisedGemmArgs& args) noexcept {
  for (int64_t t = 0; t < args.m; ++t) {
    for (int64_t r = 0; r < args.n; ++r) args.y[t * args.y_stride + r] = element(args, t, r);
  }
}

void quantise_rows(const QuantiseRowsArgs& args, Range rows) noexcept {
  const int64_t groups = args.k / kPackedGroup;
  for (int64_t t = rows.begin; t < rows.end; ++t) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t at = t * args.k + g * kPackedGroup;
      float largest = 0.0f;
      bool finite = true;
      for (int64_t i = 0; i < kPackedGroup; ++i) {
        const float x = std::fabs(load(args.x, args.type, at + i));
        if (!(x <= 3.402823466e38f)) finite = false;
        if (x > largest) largest = x;
      }
      // 127 / max overflows for the smallest numbers, which round to nothing.
      const float inverse = largest > 0x1p-118f ? 127.0f / largest : 0.0f;
      const float scale = finite ? largest / 127.0f : NAN;
      int32_t sums[2] = {0, 0};
      for (int64_t i = 0; i < kPackedGroup; ++i) {
        const float x = load(args.x, args.type, at + i);
        const auto q = static_cast<int8_t>(finite ? std::nearbyint(x * inverse) : 0.0f);
        args.quants[at + i] = q;
        sums[i / 16] += q;
      }
      args.scales[t * groups + g] = scale;
      args.sums[2 * (t * groups + g)] = sums[0];
      args.sums[2 * (t * groups + g) + 1] = sums[1];
      args.x_minimums[t * groups + g] = -(scale * static_cast<float>(sums[0] + sums[1]));
    }
  }
}

}  // namespace cadre::kernels::scalar
