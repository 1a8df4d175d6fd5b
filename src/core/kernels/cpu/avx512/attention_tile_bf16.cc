// The attention tile of core/kernels/softmax.h with the conversions of AVX512-BF16. Nearly all rows
// of a long context see every key of a tile and nothing above their maximum so far: such a row is
// eight registers, without a maximum over lanes and without rescaling.
//
// vcvtne2ps2bf16 makes p below 2^-126 zero, as the products that take p as a factor would.
#include <immintrin.h>

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/exp.h"
#include "core/kernels/cpu/loops/f32x16.h"

namespace cadre::kernels::avx512 {
namespace {

using V = F32x16;
constexpr int kRegisters = 8;
constexpr int64_t kKeys = kRegisters * V::kWidth;
constexpr V::All kAll;

void store_pair(bf16* p, V low, V high) {
  _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(high.lanes, low.lanes));
}

// A row that sees kKeys keys. False, with nothing but p changed, if one scores above row_max or is
// not a number, or if none ever scored above -inf.
bool follow_maximum(const float* scores, float scale, float row_max, float* row_sum, bf16* p) {
  V s[kRegisters];
#pragma GCC unroll 8
  for (int i = 0; i < kRegisters; ++i) s[i] = V::load(scores + i * V::kWidth, kAll);
  const V top = V::max(V::max(V::max(s[0], s[1]), V::max(s[2], s[3])),
                       V::max(V::max(s[4], s[5]), V::max(s[6], s[7])));
  // scale is positive, so rounding keeps the order.
  const V highest = V::all(scale) * top;
  const __mmask16 above = _mm512_cmp_ps_mask(highest.lanes, V::all(row_max).lanes, _CMP_NLE_UQ);
  if (above != 0 || row_max == -__builtin_inff()) return false;
  V sum = V::zero();
#pragma GCC unroll 4
  for (int i = 0; i < kRegisters; i += 2) {
    const V low = loops::exp(V::fma(V::all(scale), s[i], V::all(-row_max)));
    const V high = loops::exp(V::fma(V::all(scale), s[i + 1], V::all(-row_max)));
    store_pair(p + i * V::kWidth, low, high);
    sum = (sum + low) + high;
  }
  // A maximum does not tell of every NaN, nor then of what is above it.
  const float total = sum.sum();
  constexpr float kBound = 2.0f * kKeys;
  if (!(total <= kBound)) return false;
  *row_sum += total;
  return true;
}

}  // namespace

void attention_tile_bf16(const AttentionTileArgs& args, Range rows) noexcept {
  const bool fast = args.p_type == DType::bf16 && args.width == kKeys && args.scale > 0.0f;
  if (!fast) return attention_tile(args, rows);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    auto* p = static_cast<bf16*>(args.p) + r * args.p_stride;
    const bool all = args.first_key[r] <= 0 && args.num_keys[r] >= kKeys;
    if (all && follow_maximum(args.scores + r * args.scores_stride, args.scale, args.row_max[r],
                              args.row_sum + r, p)) {
      continue;
    }
    attention_tile(args, {r, r + 1});
  }
}

}  // namespace cadre::kernels::avx512
