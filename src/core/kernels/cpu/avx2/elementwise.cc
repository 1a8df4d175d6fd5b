#include "core/kernels/cpu/loops/elementwise.h"

#include "core/kernels/cpu/avx2/kernels.h"
#include "core/kernels/cpu/loops/f32x8.h"

namespace cadre::kernels::avx2 {

void cast(const CastArgs& args, Range elements) noexcept { loops::cast<F32x8>(args, elements); }

void add(const AddArgs& args, Range elements) noexcept { loops::add<F32x8>(args, elements); }

void clamp(const ClampArgs& args, Range elements) noexcept { loops::clamp<F32x8>(args, elements); }

void dropout(const DropoutArgs& args, Range elements) noexcept {
  loops::dropout<F32x8>(args, elements);
}

double sum_squares(const float* x, Range elements) noexcept {
  return loops::sum_squares<F32x8>(x, elements);
}

}  // namespace cadre::kernels::avx2
