#include "core/ops/tape.h"

#include <doctest/doctest.h>

#include <cstring>

#include "core/ops/elementwise.h"
#include "core/ops/linear.h"
#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

Tensor ones(Shape shape) {
  return tensor_of(std::vector<float>(static_cast<size_t>(shape.elements()), 1.0f), shape);
}

TEST_CASE("tape: an output that nobody uses sends no gradient") {
  Machine machine;
  Tape tape;
  const Tensor a = random_tensor({3, 4}, DType::f32, 1);
  const Tensor b = random_tensor({3, 4}, DType::f32, 2);
  const Tensor da = ones({3, 4}), db = ones({3, 4});
  tape.watch(a, da, true);
  tape.watch(b, db, true);
  const Context::TapeScope scope(machine.ctx, &tape);
  const Tensor y = add(machine.ctx, a, a);
  add(machine.ctx, y, b);
  tape.backward(machine.ctx, y, ones({3, 4}));
  CHECK(distance(da, tensor_of(std::vector<float>(12, 2.0f), {3, 4})) == 0);
  CHECK_FALSE(tape.gradient_of(b).defined());
  // What was never reached is cleared at the end.
  tape.finish_leaves(machine.ctx);
  CHECK(distance(db, Tensor::zeros({3, 4}, DType::f32)) == 0);
}

TEST_CASE("tape: buffers that are not fresh are added to") {
  Machine machine;
  const Tensor x = random_tensor({5, 6}, DType::f32, 1);
  const Tensor w = random_tensor({4, 6}, DType::f32, 2);
  const auto run = [&](const Tensor& dw, bool fresh) {
    Tape tape;
    tape.watch(w, dw, fresh);
    const Context::TapeScope scope(machine.ctx, &tape);
    const Tensor y = linear(machine.ctx, x, w, DType::f32);
    tape.backward(machine.ctx, y, ones(y.shape()));
    tape.finish_leaves(machine.ctx);
  };
  const Tensor once = ones({4, 6}), twice = ones({4, 6});
  run(once, true);
  run(twice, true);
  run(twice, false);
  CHECK(distance(twice, add(machine.ctx, once, once)) < 1e-7);
}

TEST_CASE("tape: a reshaped tensor shares its gradient") {
  Machine machine;
  Tape tape;
  const Tensor x = random_tensor({2, 6}, DType::f32, 1);
  const Tensor dx = ones({2, 6});
  tape.watch(x, dx, true);
  const Context::TapeScope scope(machine.ctx, &tape);
  const Tensor y = add(machine.ctx, x.reshape({3, 4}), x.reshape({3, 4})).reshape({12});
  tape.backward(machine.ctx, y, ones({12}));
  CHECK(distance(dx, tensor_of(std::vector<float>(12, 2.0f), {2, 6})) == 0);
}

TEST_CASE("tape: without it and without watched inputs nothing is recorded") {
  Machine machine;
  const Tensor x = random_tensor({2, 2}, DType::f32, 1);
  Tape tape;
  const Context::TapeScope scope(machine.ctx, &tape);
  CHECK_FALSE(tape.tracks(add(machine.ctx, x, x)));
}

TEST_CASE("tape: the memory of what no derivative reads is given back in the forward pass") {
  Machine machine;
  const int64_t before = machine.ctx.allocator().used_bytes();
  Tape tape;
  Tensor x = machine.ctx.zeros({1 << 10, 1 << 10}, DType::f32);
  tape.watch(x, machine.ctx.empty_like(x), true);
  const Context::TapeScope scope(machine.ctx, &tape);
  Tensor y = x;
  for (int i = 0; i < 10; ++i) y = add(machine.ctx, y, x);
  // x, its gradient and the last sum, and headers that keep identities apart.
  CHECK(machine.ctx.allocator().used_bytes() - before <= 3 * x.bytes() + (4 << 10));
  tape.backward(machine.ctx, y, machine.ctx.zeros(x.shape(), DType::f32));
}

TEST_CASE("tape: a child sends the gradients of its parent's tensors there") {
  Machine machine;
  Tape parent;
  const Tensor x = random_tensor({2, 2}, DType::f32, 1);
  const Tensor dx = ones({2, 2});
  parent.watch(x, dx, true);
  Tape child(&parent);
  const Context::TapeScope scope(machine.ctx, &child);
  const Tensor y = add(machine.ctx, x, x);
  child.backward(machine.ctx, y, ones({2, 2}));
  CHECK(distance(dx, tensor_of({2, 2, 2, 2}, {2, 2})) == 0);
  CHECK(distance(parent.gradient_of(x), dx) == 0);
}

}  // namespace
}  // namespace cadre::ops
