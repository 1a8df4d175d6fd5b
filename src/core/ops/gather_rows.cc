#include "core/ops/gather_rows.h"

namespace cadre::ops {

Tensor gather_rows(Context& ctx, const Tensor& x, std::span<const int32_t> source) {
  const auto count = static_cast<int64_t>(source.size());
  const int64_t width = x.dim(1);
  const Tensor y = ctx.empty({count, width}, x.dtype());
  const kernels::GatherRowsArgs args = {
      .x = x.raw(), .y = y.raw(), .type = x.dtype(), .source = source.data(), .width = width};
  ctx.for_rows(count, 2 * width * dtype_size(x.dtype()),
               [&](Range rows) { ctx.kernels().gather_rows(args, rows); });
  return y;
}

}  // namespace cadre::ops
