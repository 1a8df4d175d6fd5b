#include "core/ops/linear.h"

#include <doctest/doctest.h>

#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

TEST_CASE("grouped_linear: each group is a linear of its rows, bit for bit") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"), 3);
  const std::vector<int64_t> ends = {0, 0, 5, 300, 300, 301, 700};
  for (const DType type : {DType::f32, DType::bf16}) {
    const Tensor x = random_tensor({700, 72}, type, 1);
    const Tensor w = random_tensor({6, 130, 72}, type, 2);
    const Tensor y = grouped_linear(machine.ctx, x, w, ends);
    for (int64_t e = 0; e < 6; ++e) {
      const int64_t begin = ends[static_cast<size_t>(e)];
      const int64_t end = ends[static_cast<size_t>(e) + 1];
      const Tensor alone =
          linear(machine.ctx, x.slice(begin, end), w.slice(e, e + 1).reshape({130, 72}), type);
      CHECK(same_bits(alone, y.slice(begin, end)));
    }
  }
}

TEST_CASE("linear: a row has the same bits whatever rows are beside it") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"));
  for (const DType type : {DType::f32, DType::bf16}) {
    const Tensor x = random_tensor({600, 96}, type, 1);
    const Tensor w = random_tensor({257, 96}, type, 2);
    const Tensor all = linear(machine.ctx, x, w, DType::f32);
    for (const int64_t rows : {1, 2, 7, 64}) {
      const Tensor some = linear(machine.ctx, x.slice(100, 100 + rows), w, DType::f32);
      CHECK(same_bits(some, all.slice(100, 100 + rows)));
    }
  }
}

TEST_CASE("grouped_linear: an expert without tokens has a zero gradient, or keeps what was there") {
  Machine machine;
  const Tensor x = random_tensor({6, 5}, DType::f32, 1);
  const Tensor w = random_tensor({3, 4, 5}, DType::f32, 2);
  for (const bool fresh : {true, false}) {
    const Tensor dw = tensor_of(std::vector<float>(60, 7.0f), {3, 4, 5});
    Tape tape;
    tape.watch(w, dw, fresh);
    const Context::TapeScope scope(machine.ctx, &tape);
    const Tensor y = grouped_linear(machine.ctx, x, w, std::vector<int64_t>{0, 2, 2, 6});
    tape.backward(machine.ctx, y, random_tensor({6, 4}, DType::f32, 3));
    const Tensor expected = tensor_of(std::vector<float>(20, fresh ? 0.0f : 7.0f), {1, 4, 5});
    CHECK(same_bits(dw.slice(1, 2), expected));
  }
}

TEST_CASE("linear: no rows at all") {
  Machine machine;
  const Tensor x = Tensor::empty({0, 5}, DType::f32);
  const Tensor w = random_tensor({4, 5}, DType::f32, 2);
  const Tensor dw = tensor_of(std::vector<float>(20, 7.0f), {4, 5});
  Tape tape;
  tape.watch(w, dw, true);
  const Context::TapeScope scope(machine.ctx, &tape);
  const Tensor y = linear(machine.ctx, x, w, DType::f32);
  CHECK(y.shape() == Shape{0, 4});
  tape.backward(machine.ctx, y, Tensor::empty({0, 4}, DType::f32));
  CHECK(same_bits(dw, Tensor::zeros({4, 5}, DType::f32)));
}

TEST_CASE("linear: refuses shapes, types and offsets that do not fit") {
  Machine machine;
  const Tensor x = random_tensor({6, 5}, DType::f32, 1);
  CHECK_THROWS_AS(linear(machine.ctx, x, random_tensor({4, 6}, DType::f32, 2), DType::f32), Error);
  CHECK_THROWS_AS(linear(machine.ctx, x, random_tensor({4, 5}, DType::bf16, 2), DType::f32), Error);
  const Tensor w = random_tensor({2, 4, 5}, DType::f32, 2);
  for (const std::vector<int64_t>& ends :
       {std::vector<int64_t>{0, 6}, {0, 3, 5}, {1, 3, 6}, {0, 7, 6}, {}}) {
    CHECK_THROWS_AS(grouped_linear(machine.ctx, x, w, ends), Error);
  }
}

}  // namespace
}  // namespace cadre::ops
