#include "core/kernels/cpu/amx/kernels.h"
#include "core/kernels/cpu/tables.h"

namespace cadre::kernels::amx {

const KernelTable& table() {
  static const KernelTable kTable = [] {
    KernelTable t = avx512::table_bf16();
    t.name = "amx";
    t.gemm = gemm;
    t.quantised_gemm = quantised_gemm;
    t.peak_bf16 = peak_bf16;
    t.peak_i8 = peak_i8;
    return t;
  }();
  return kTable;
}

}  // namespace cadre::kernels::amx
