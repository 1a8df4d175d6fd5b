// The limits of this machine as measured: what every speed is quoted as a share of.
// Williams, Waterman and Patterson, "Roofline", doi:10.1145/1498765.1498785.
#pragma once

#include "core/ops/context.h"

namespace cadre::ops {

struct Roofline {
  double f32_flops = 0.0;   // operations a second in registers, a multiply-add counting as two
  double bf16_flops = 0.0;  // the same with the instruction that bf16 products use
  double i8_ops = 0.0;      // the same with that of products with quantised weights
  double read_bytes = 0.0;  // bytes a second, far more data than the caches hold
  double write_bytes = 0.0;
  double copy_bytes = 0.0;  // read and written bytes together
};

// The best of `repeats` short runs on all threads of the context: whoever shares the machine can
// only make a run slower.
double measure_peak_flops(Context& ctx, DType dtype, int repeats);

// Everything, in about a second; takes 256 MiB a thread for the while.
Roofline measure_roofline(Context& ctx);

}  // namespace cadre::ops
