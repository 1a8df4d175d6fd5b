#include "core/kernels/gemm.h"

#include "core/kernels/cpu/amx/kernels.h"
#include "core/kernels/cpu/avx512/kernels.h"

namespace cadre::kernels::amx {

void gemm(const GemmArgs& args) noexcept { avx512::gemm_bf16(args); }

}  // namespace cadre::kernels::amx
