#include "gemm_case.h"

namespace cadre::kernels {
namespace {

TEST_CASE("gemm: the bits of an element do not depend on cuts of products of many blocks") {
  RandomStream random(6);
  for (const DType type : {DType::bf16, DType::f32}) {
    for (int transposed = 0; transposed < 4; ++transposed) {
      // Factors larger than a second-level cache, and sums too many to wait in scratch at once.
      const bool flat = transposed % 2 == 0;
      GemmCase c({.m = flat ? 170 : 1300,
                  .n = flat ? 2100 : 240,
                  .k = flat ? 2200 : 2040,
                  .type = type,
                  .c_type = flat ? DType::f32 : type,
                  .a_transposed = (transposed & 1) != 0,
                  .b_transposed = (transposed & 2) != 0},
                 random);
      for (const KernelTable* table : supported_tables()) {
        if (table != &scalar_table()) check_cuts(c, *table, 400, 400, random);
      }
    }
  }
}

}  // namespace
}  // namespace cadre::kernels
