#include "core/kernels/cpu/avx512/gemm_isa.h"
#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/loops/gemm.h"
#include "core/kernels/gemm.h"

namespace cadre::kernels::avx512 {
namespace {

// Units of two bf16: vdpbf16ps multiplies 32 of them and adds pairs into 16 sums.
struct PairMath : GemmIsa {
  using Element = bf16;
  static constexpr int64_t kDepth = 2;

  static F32x16 along_k(const bf16* p, int64_t count) {
    return {_mm512_castsi512_ps(row(p, count))};
  }

  static F32x16 across(const bf16* p, int64_t stride, int64_t depth, int64_t count) {
    if (count <= 0) return F32x16::zero();
    const __mmask32 mask = count >= 16 ? 0xffffu : (1u << count) - 1;
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p));
    if (depth < 2) return {_mm512_castsi512_ps(low)};
    const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p + stride));
    return {_mm512_castsi512_ps(_mm512_or_epi32(low, _mm512_slli_epi32(high, 16)))};
  }

  static F32x16 multiply_add(F32x16 a, F32x16 b, F32x16 sum) {
    return {_mm512_dpbf16_ps(sum.lanes, (__m512bh)a.lanes, (__m512bh)b.lanes)};
  }

  static void store_units(float* to, F32x16 x, int64_t count) {
    if (count >= kWidth) {
      x.store(to, F32x16::All{});
    } else {
      x.store(to, F32x16::first(count));
    }
  }

 private:
  static __m512i row(const bf16* p, int64_t count) {
    if (count >= 32) return _mm512_loadu_si512(p);
    if (count <= 0) return _mm512_setzero_si512();
    return _mm512_maskz_loadu_epi16((1u << count) - 1, p);
  }
};

}  // namespace

void gemm_bf16(const GemmArgs& args) noexcept {
  if (args.type == DType::f32) {
    gemm(args);
  } else {
    loops::Gemm<PairMath>(args).run();
  }
}

}  // namespace cadre::kernels::avx512
