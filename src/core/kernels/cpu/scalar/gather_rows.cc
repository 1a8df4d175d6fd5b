#include <cstddef>
#include <cstring>

#include "core/kernels/cpu/scalar/kernels.h"
#include "core/kernels/mixture.h"

namespace cadre::kernels::scalar {

void gather_rows(const GatherRowsArgs& args, Range rows) noexcept {
  const int64_t bytes = args.width * dtype_size(args.type);
  const auto* x = static_cast<const std::byte*>(args.x);
  auto* y = static_cast<std::byte*>(args.y);
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    if (args.source[i] < 0) {
      std::memset(y + i * bytes, 0, bytes);
    } else {
      std::memcpy(y + i * bytes, x + args.source[i] * bytes, bytes);
    }
  }
}

}  // namespace cadre::kernels::scalar
