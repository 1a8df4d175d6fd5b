#include "core/kernels/cpu/loops/rows.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void add_bias(const AddBiasArgs& args, Range rows) noexcept { loops::add_bias<F32x8>(args, rows); }

void sum_rows(const SumRowsArgs& args, Range columns) noexcept {
  loops::sum_rows<F32x8>(args, columns);
}

void center_rows(const CenterRowsArgs& args, Range rows) noexcept {
  loops::center_rows<F32x8>(args, rows);
}

void sigmoid_gate(const SigmoidGateArgs& args, Range rows) noexcept {
  loops::sigmoid_gate<F32x8>(args, rows);
}

void sigmoid_gate_backward(const SigmoidGateArgs& args, Range rows) noexcept {
  loops::sigmoid_gate_backward<F32x8>(args, rows);
}

}  // namespace cadre::kernels::avx2
