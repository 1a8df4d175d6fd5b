// Models of random weights, made in memory.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/random.h"
#include "core/kernels/quantise.h"
#include "model/stored_model.h"

namespace cadre::model {
namespace {

// Values that a matrix repeats: enough that no cache holds what is read again, few enough to draw.
constexpr int64_t kRun = int64_t{1} << 20;

std::vector<float> normal_run(uint64_t seed, double deviation) {
  const RandomStream random(seed);
  std::vector<float> run(kRun);
  for (size_t i = 0; i < run.size(); ++i) {
    run[i] = static_cast<float>(random.normal_at(i) * deviation);
  }
  return run;
}

// Each row begins at another place of the run, so that no two rows in reach are equal.
int64_t start_of(int64_t row) { return row * 40503 % kRun; }

void fill_row(const std::vector<float>& run, int64_t row, int64_t k, float* values) {
  int64_t at = start_of(row);
  for (int64_t i = 0; i < k;) {
    const int64_t count = std::min(k - i, kRun - at);
    std::copy_n(run.data() + at, count, values + i);
    i += count;
    at = 0;
  }
}

void fill_dense(Context& ctx, const std::vector<float>& run, const Tensor& tensor) {
  const int64_t k = tensor.dim(-1);
  const int64_t rows = tensor.elements() / k;
  auto* to = static_cast<std::byte*>(tensor.raw());
  ctx.for_rows(rows, k * 8, [&](Range range) {
    std::vector<float> values(static_cast<size_t>(k));
    for (int64_t row = range.begin; row < range.end; ++row) {
      fill_row(run, row, k, values.data());
      ctx.kernels().cast(
          {values.data(), DType::f32, to + row * k * dtype_size(tensor.dtype()), tensor.dtype()},
          {0, k});
    }
  });
}

PackedMatrix random_packed(Context& ctx, const std::vector<float>& run,
                           const ParameterSpec& parameter, PackedFormat format) {
  const int64_t rows = parameter.shape.dim(-2);
  const int64_t k = parameter.shape.dim(-1);
  return ops::pack_values(ctx, format, parameter.shape.elements() / (rows * k), rows, k,
                          [&](Range range, float* values) {
                            ctx.for_rows(range.size(), k * 4, [&](Range part) {
                              for (int64_t row = part.begin; row < part.end; ++row) {
                                fill_row(run, range.begin + row, k, values + row * k);
                              }
                            });
                          });
}

}  // namespace

LoadedModel random_model(Context& ctx, const ModelSpec& spec, const LoadOptions& options,
                         uint64_t seed) {
  const std::vector<float> run = normal_run(seed, spec.initializer_range);
  const std::vector<ParameterSpec> list = parameter_list(spec);
  auto parameters = std::make_shared<Parameters>(ctx, spec, options.compute, [&](int64_t p) {
    const ParameterSpec& parameter = list[static_cast<size_t>(p)];
    ops::Weight weight;
    if (is_packed(spec, parameter, options)) {
      weight.packed = random_packed(ctx, run, parameter, options.packed);
    }
    return weight;
  });
  for (int64_t p = 0; p < parameters->size(); ++p) {
    const ops::Weight& weight = parameters->weight(p);
    const ParameterSpec& parameter = list[static_cast<size_t>(p)];
    if (weight.packed.defined()) continue;
    if (parameter.shape.rank() >= 2) {
      fill_dense(ctx, run, weight.dense);
    } else {
      initialise(ctx, spec, parameter, seed, weight.dense);
    }
  }
  return {parameters, std::make_shared<const Decoder>(spec, parameters)};
}

}  // namespace cadre::model
