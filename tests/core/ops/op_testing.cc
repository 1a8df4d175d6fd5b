#include "tests/core/ops/op_testing.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace cadre::ops {
namespace {

// Step of the central differences along a direction of unit-normal entries. The truncation error
// falls with its square, the noise of f32 results (2^-24) grows with its inverse: they meet here.
constexpr double kStep = 3e-3;

double get(const Tensor& x, int64_t i) {
  return x.dtype() == DType::bf16 ? to_f32(x.data<bf16>()[i]) : x.data<float>()[i];
}

void set(const Tensor& x, int64_t i, double value) {
  if (x.dtype() == DType::bf16) {
    x.data<bf16>()[i] = to_bf16(static_cast<float>(value));
  } else {
    x.data<float>()[i] = static_cast<float>(value);
  }
}

Tensor copy_of(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  std::memcpy(y.raw(), x.raw(), static_cast<size_t>(x.bytes()));
  return y;
}

std::vector<Tensor> fresh_inputs(const OpCase& op) {
  std::vector<Tensor> inputs;
  for (const OpCase::Input& input : op.inputs) inputs.push_back(copy_of(input.value));
  return inputs;
}

// What the result is multiplied with before it is summed: 1 for a single number.
Tensor seed_of(const Tensor& y) {
  if (y.elements() == 1) return tensor_of({1.0f}, y.shape(), y.dtype());
  return random_tensor(y.shape(), y.dtype(), 977);
}

double inner(const Tensor& x, const Tensor& y) {
  double sum = 0;
  for (int64_t i = 0; i < x.elements(); ++i) sum += get(x, i) * get(y, i);
  return sum;
}

}  // namespace

Tensor random_tensor(Shape shape, DType dtype, uint64_t seed, double scale) {
  Tensor x = Tensor::empty(shape, dtype);
  const RandomStream random(seed);
  for (int64_t i = 0; i < x.elements(); ++i) {
    set(x, i, scale * random.normal_at(static_cast<uint64_t>(i)));
  }
  return x;
}

Tensor tensor_of(const std::vector<float>& values, Shape shape, DType dtype) {
  Tensor x = Tensor::empty(shape, dtype);
  CADRE_CHECK(x.elements() == static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) set(x, static_cast<int64_t>(i), values[i]);
  return x;
}

std::vector<double> values_of(const Tensor& x) {
  std::vector<double> values;
  for (int64_t i = 0; i < x.elements(); ++i) values.push_back(get(x, i));
  return values;
}

bool same_bits(const Tensor& x, const Tensor& y) {
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         std::memcmp(x.raw(), y.raw(), static_cast<size_t>(x.bytes())) == 0;
}

double distance(const Tensor& x, const Tensor& y) {
  CADRE_CHECK(x.elements() == y.elements());
  double difference = 0;
  double norm = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    difference += std::pow(get(x, i) - get(y, i), 2);
    norm += std::pow(get(y, i), 2);
  }
  return norm == 0 ? std::sqrt(difference) : std::sqrt(difference / norm);
}

OpRun run_case(Context& ctx, const OpCase& op) {
  const std::vector<Tensor> inputs = fresh_inputs(op);
  OpRun result;
  Tape tape;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const DType dtype = op.inputs[i].parameter ? DType::f32 : inputs[i].dtype();
    result.gradients.push_back(ctx.empty(inputs[i].shape(), dtype));
    // What a fresh buffer holds must not matter.
    std::memset(result.gradients[i].raw(), 0xff, static_cast<size_t>(result.gradients[i].bytes()));
    tape.watch(inputs[i], result.gradients[i], /*fresh=*/true);
  }
  {
    const Context::TapeScope scope(ctx, &tape);
    result.y = op.run(ctx, inputs);
  }
  const Tensor y = copy_of(result.y);
  tape.backward(ctx, result.y, seed_of(result.y));
  tape.finish_leaves(ctx);
  result.y = y;
  return result;
}

Tensor run_forward(Context& ctx, const OpCase& op, bool training) {
  Tape tape;
  const Context::TapeScope scope(ctx, training ? &tape : nullptr);
  return op.run(ctx, fresh_inputs(op));
}

double gradient_error(Context& ctx, const OpCase& op) {
  const OpRun exact = run_case(ctx, op);
  const Tensor r = seed_of(exact.y);
  double worst = 0;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    for (uint64_t direction = 0; direction < 2; ++direction) {
      const Tensor d =
          random_tensor(op.inputs[i].value.shape(), DType::f32, 31 + 7 * direction + i);
      const auto moved = [&](double step) {
        OpCase other = op;
        other.inputs[i].value = copy_of(op.inputs[i].value);
        for (int64_t e = 0; e < d.elements(); ++e) {
          set(other.inputs[i].value, e, get(op.inputs[i].value, e) + step * get(d, e));
        }
        return inner(run_forward(ctx, other, /*training=*/true), r);
      };
      const double expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
      const double found = inner(exact.gradients[i], d);
      // Directions along which a derivative happens to be small say little: compare with its norm.
      const double norm = std::sqrt(inner(exact.gradients[i], exact.gradients[i]));
      worst = std::max(worst, std::abs(found - expected) / std::max(norm, std::abs(expected)));
    }
  }
  return worst;
}

}  // namespace cadre::ops
