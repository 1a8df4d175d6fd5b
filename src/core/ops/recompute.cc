#include "core/ops/recompute.h"

#include <utility>

namespace cadre::ops {

Tensor recompute(Context& ctx, const Tensor& x,
                 std::function<Tensor(Context&, const Tensor&)> body) {
  Tape* tape = ctx.tape();
  if (tape == nullptr) return body(ctx, x);
  Tensor y;
  {
    Tape nothing;  // it is training, but nothing is kept
    const Context::TapeScope scope(ctx, &nothing);
    y = body(ctx, x);
  }
  if (y.identity() == x.identity()) return y;
  // Whether body uses watched parameters is not known, so it is recorded in any case.
  tape->record(y, [tape, x, body = std::move(body)](Context& c, const Tensor& dy) {
    Tape inner(tape);
    const Gradient dx = tape->gradient(c, x);
    if (dx.wanted()) inner.watch(x, dx.value, /*fresh=*/!dx.accumulate);
    Tensor again;
    {
      const Context::TapeScope scope(c, &inner);
      again = body(c, x);
    }
    inner.backward(c, again, dy);
    inner.finish_leaves(c);
  });
  return y;
}

}  // namespace cadre::ops
