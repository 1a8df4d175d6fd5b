#include "core/ops/jitter.h"

#include "core/ops/check.h"
#include "core/ops/router_random.h"

namespace cadre::ops {
namespace {

Tensor scale_at_random(Context& ctx, const Tensor& x, float epsilon, const RouterRandom& random) {
  const Tensor y = ctx.empty_like(x);
  ctx.for_rows(x.elements(), 8, [&](Range elements) {
    for (int64_t i = elements.begin; i < elements.end; ++i) {
      y.data<float>()[i] = x.data<float>()[i] * random.jitter(i, epsilon);
    }
  });
  return y;
}

}  // namespace

Tensor jitter(Context& ctx, const Tensor& x, float epsilon, uint64_t seed, int64_t layer) {
  expect_rank(x, 2, "jitter: x");
  expect_dtype(x, DType::f32, "jitter: x");
  CADRE_CHECK(epsilon >= 0.0f && epsilon < 1.0f);
  const RouterRandom random(seed, static_cast<uint64_t>(layer));
  const Tensor y = scale_at_random(ctx, x, epsilon, random);
  Tape* tape = ctx.tape();
  if (tape != nullptr && tape->tracks(x)) {
    tape->record(y, [=, x = TensorKey(x)](Context& c, const Tensor& dy) {
      tape->contribute(c, x, scale_at_random(c, dy, epsilon, random));
    });
  }
  return y;
}

}  // namespace cadre::ops
