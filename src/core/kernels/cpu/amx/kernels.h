// The functions of the AMX table; what is not here comes from the AVX-512 one with BF16.
#pragma once

#include "core/kernels/gemm.h"
#include "core/kernels/peak.h"
#include "core/kernels/quantised_gemm.h"

namespace cadre::kernels::amx {

GemmFn gemm;
QuantisedGemmFn quantised_gemm;
PeakFlopsFn peak_bf16;
PeakFlopsFn peak_i8;

}  // namespace cadre::kernels::amx
