// What tests of ops share: machines, random tensors, distances, and the run of an op with all its
// gradients.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/cpu_features.h"
#include "core/base/random.h"
#include "core/ops/context.h"

namespace cadre::ops {

// A context with a pool, a kernel table and memory of its own.
struct Machine {
  explicit Machine(const kernels::KernelTable& table = kernels::scalar_table(), int threads = 2)
      : pool(threads), ctx(pool, table, Allocator::create()) {}
  ThreadPool pool;
  Context ctx;
};

inline std::vector<const kernels::KernelTable*> supported_tables() {
  return kernels::supported_tables(detect_cpu_features());
}

// Standard normal values times `scale`, rounded to the type (f32 or bf16).
Tensor random_tensor(Shape shape, DType dtype, uint64_t seed, double scale = 1.0);
Tensor tensor_of(const std::vector<float>& values, Shape shape, DType dtype = DType::f32);
std::vector<double> values_of(const Tensor& x);
bool same_bits(const Tensor& x, const Tensor& y);
// |x - y| / |y| in the Euclidean norm; |x| if y is zero.
double distance(const Tensor& x, const Tensor& y);

// An op as a function of the tensors that it is differentiated by. Inputs are made new for each
// run, because a tape knows tensors by their memory.
struct OpCase {
  struct Input {
    Tensor value;
    bool parameter = false;  // its gradient is f32 whatever its type
  };
  std::string name;
  std::vector<Input> inputs;
  std::function<Tensor(Context&, const std::vector<Tensor>&)> run;
};

// The result of a case and the gradients of sum(result * r), for a fixed random r.
struct OpRun {
  Tensor y;
  std::vector<Tensor> gradients;
};
OpRun run_case(Context& ctx, const OpCase& op);
// The result alone, without a tape unless `training`.
Tensor run_forward(Context& ctx, const OpCase& op, bool training = false);

// Compares the gradients with central differences along random directions through all inputs of the
// case, which are f32. Prints what differs and returns the largest relative error.
double gradient_error(Context& ctx, const OpCase& op);

}  // namespace cadre::ops
