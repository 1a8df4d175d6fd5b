#include "core/ops/recompute.h"

#include <doctest/doctest.h>

#include "core/ops/elementwise.h"
#include "core/ops/linear.h"
#include "core/ops/swiglu.h"
#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

// Two blocks with dropout, over a weight that both use.
OpCase two_blocks(bool again) {
  const auto block = [](Context& ctx, const Tensor& x, const Tensor& w, uint64_t stream) {
    const Tensor y = swiglu(ctx, linear(ctx, x, w, x.dtype()));
    return add(ctx, x, dropout(ctx, y, 0.4f, 3, stream));
  };
  return {"two blocks",
          {{random_tensor({40, 16}, DType::bf16, 1), false},
           {random_tensor({32, 16}, DType::bf16, 2, 0.3), true}},
          [=](Context& ctx, const std::vector<Tensor>& in) {
            Tensor x = in[0];
            const Tensor w = in[1];
            for (const uint64_t stream : {0, 1}) {
              x = !again ? block(ctx, x, w, stream)
                         : recompute(ctx, x, [=](Context& c, const Tensor& start) {
                             return block(c, start, w, stream);
                           });
            }
            return x;
          }};
}

TEST_CASE("recompute: the bits of the plain run, with dropout and shared parameters") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"));
  const OpRun plain = run_case(machine.ctx, two_blocks(false));
  const OpRun again = run_case(machine.ctx, two_blocks(true));
  CHECK(same_bits(again.y, plain.y));
  CHECK(same_bits(again.gradients[0], plain.gradients[0]));
  CHECK(same_bits(again.gradients[1], plain.gradients[1]));
}

TEST_CASE("recompute: keeps its input alone") {
  Machine machine;
  Context& ctx = machine.ctx;
  Tape tape;
  const Tensor w = random_tensor({512, 256}, DType::f32, 1);
  tape.watch(w, Tensor::zeros(w.shape(), DType::f32), true);
  const Tensor x = ctx.zeros({512, 256}, DType::f32);
  const Context::TapeScope scope(ctx, &tape);
  const auto body = [w](Context& c, const Tensor& start) {
    return swiglu(c, linear(c, start, w, DType::f32));
  };
  const int64_t before = ctx.allocator().used_bytes();
  const Tensor y = recompute(ctx, x, body);
  const int64_t kept = ctx.allocator().used_bytes() - before - kernels::kGemmScratchBytes * 2;
  CHECK(kept <= y.bytes() + (64 << 10));
  tape.backward(ctx, y, ctx.zeros(y.shape(), DType::f32));
}

TEST_CASE("recompute: a body that returns its input, or uses nothing that is watched") {
  Machine machine;
  Tape tape;
  const Tensor x = random_tensor({4, 4}, DType::f32, 1);
  const Context::TapeScope scope(machine.ctx, &tape);
  const Tensor same =
      recompute(machine.ctx, x, [](Context&, const Tensor& start) { return start; });
  CHECK(same.identity() == x.identity());
  const Tensor y = recompute(machine.ctx, x,
                             [](Context& c, const Tensor& start) { return add(c, start, start); });
  tape.backward(machine.ctx, y, random_tensor({4, 4}, DType::f32, 2));
  CHECK_FALSE(tape.gradient_of(x).defined());
}

}  // namespace
}  // namespace cadre::ops
