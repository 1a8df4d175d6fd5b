#include "core/kernels/cpu/loops/pack_rows.h"

#include <immintrin.h>

#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::avx512 {
namespace {

struct Words {
  static constexpr int64_t kRows = 16;
  __m512i bits;

  static Words all(uint32_t word) { return {_mm512_set1_epi32(static_cast<int>(word))}; }
  static Words column(const uint8_t* from, int64_t stride) {
    const __m512i row = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i offsets = _mm512_mullo_epi32(row, _mm512_set1_epi32(static_cast<int>(stride)));
    return {_mm512_i32gather_epi32(offsets, from, 1)};
  }
  void store(uint8_t* to) const { _mm512_storeu_si512(to, bits); }
  Words shifted_right(int by) const { return {_mm512_srl_epi32(bits, _mm_cvtsi32_si128(by))}; }
  Words shifted_left(int by) const { return {_mm512_sll_epi32(bits, _mm_cvtsi32_si128(by))}; }
  friend Words operator&(Words x, Words y) { return {_mm512_and_si512(x.bits, y.bits)}; }
  friend Words operator|(Words x, Words y) { return {_mm512_or_si512(x.bits, y.bits)}; }
};

}  // namespace

void pack_rows(const PackRowsArgs& args) noexcept {
  if (!loops::pack_rows<Words>(args)) scalar::pack_rows(args);
}

}  // namespace cadre::kernels::avx512
