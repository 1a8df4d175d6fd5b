#include "core/kernels/cpu/loops/pack_rows.h"

#include <immintrin.h>

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::avx2 {
namespace {

struct Words {
  static constexpr int64_t kRows = 8;
  __m256i bits;

  static Words all(uint32_t word) { return {_mm256_set1_epi32(static_cast<int>(word))}; }
  static Words column(const uint8_t* from, int64_t stride) {
    const __m256i row = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    const __m256i offsets = _mm256_mullo_epi32(row, _mm256_set1_epi32(static_cast<int>(stride)));
    return {_mm256_i32gather_epi32(reinterpret_cast<const int*>(from), offsets, 1)};
  }
  void store(uint8_t* to) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bits); }
  Words shifted_right(int by) const { return {_mm256_srl_epi32(bits, _mm_cvtsi32_si128(by))}; }
  Words shifted_left(int by) const { return {_mm256_sll_epi32(bits, _mm_cvtsi32_si128(by))}; }
  friend Words operator&(Words x, Words y) { return {_mm256_and_si256(x.bits, y.bits)}; }
  friend Words operator|(Words x, Words y) { return {_mm256_or_si256(x.bits, y.bits)}; }
};

}  // namespace

void pack_rows(const PackRowsArgs& args) noexcept {
  if (!loops::pack_rows<Words>(args)) scalar::pack_rows(args);
}

}  // namespace cadre::kernels::avx2
