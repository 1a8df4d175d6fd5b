#include "core/ops/check.h"

namespace cadre::ops {

void expect_activation(const Tensor& x, std::string_view what) {
  if (x.dtype() != DType::f32 && x.dtype() != DType::bf16) {
    fail(ErrorKind::invalid_input, "{} is {}, expected f32 or bf16", what, dtype_name(x.dtype()));
  }
}

void expect_rank(const Tensor& x, int rank, std::string_view what) {
  if (x.rank() != rank) {
    fail(ErrorKind::invalid_input, "{} is {}, expected {} dimensions", what, to_string(x.shape()),
         rank);
  }
}

}  // namespace cadre::ops
