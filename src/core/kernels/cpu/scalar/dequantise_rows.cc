#include "core/kernels/dequantise_rows.h"

#include "core/kernels/cpu/scalar/element.h"
#include "core/kernels/cpu/scalar/kernels.h"
#include "core/tensor/packed_rows.h"

namespace cadre::kernels::scalar {

void dequantise_rows(const DequantiseRowsArgs& args, Range rows) noexcept {
  for (int64_t i = rows.begin * args.k; i < rows.end * args.k; ++i) {
    store(args.y, args.type, i, args.scales[i / kPackedGroup] * static_cast<float>(args.quants[i]));
  }
}

}  // namespace cadre::kernels::scalar
