// Models of random weights, made in memory.
#include <algorithm>
#include <vector>

#include "core/base/random.h"
#include "core/kernels/round_blocks.h"
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

// The run in blocks, twice, so that rows need not go round its end.
std::vector<std::byte> block_run(Context& ctx, const std::vector<float>& run, PackedFormat format) {
  const BlockType type = block_type(format);
  const BlockLayout layout = block_layout(type);
  const int64_t bytes = kRun / layout.elements * layout.bytes;
  std::vector<std::byte> blocks(static_cast<size_t>(2 * bytes));
  ctx.for_blocks(kRun / layout.elements, 256, [&](Range range) {
    ctx.kernels().round_blocks({.x = run.data(),
                                .importance = nullptr,
                                .first_column = 0,
                                .width = kRun,
                                .blocks = blocks.data(),
                                .type = type},
                               range);
  });
  std::copy_n(blocks.begin(), bytes, blocks.begin() + bytes);
  return blocks;
}

PackedMatrix random_packed(Context& ctx, const std::vector<std::byte>& run,
                           const ParameterSpec& parameter, PackedFormat format) {
  const int64_t rows = parameter.shape.dim(-2);
  const int64_t k = parameter.shape.dim(-1);
  const int64_t all = parameter.shape.elements() / k;
  const BlockLayout layout = block_layout(block_type(format));
  std::vector<ops::BlockRows> pieces;
  for (int64_t row = 0; row < all; ++row) {
    const std::byte* first = run.data() + start_of(row) / layout.elements * layout.bytes;
    pieces.push_back({first, 1, k / layout.elements * layout.bytes});
  }
  return ops::pack(ctx, format, all / rows, rows, k, pieces);
}

}  // namespace

LoadedModel random_model(Context& ctx, const ModelSpec& spec, const LoadOptions& options,
                         uint64_t seed) {
  const std::vector<float> run = normal_run(seed, spec.initializer_range);
  const std::vector<ParameterSpec> list = parameter_list(spec);
  std::vector<std::byte> blocks;
  if (options.format == WeightFormat::packed) blocks = block_run(ctx, run, options.packed);
  auto parameters = std::make_shared<Parameters>(ctx, spec, options.compute, [&](int64_t p) {
    const ParameterSpec& parameter = list[static_cast<size_t>(p)];
    ops::Weight weight;
    if (is_packed(spec, parameter, options) && parameter.shape.dim(-1) <= kRun) {
      weight.packed = random_packed(ctx, blocks, parameter, options.packed);
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
  return {parameters, std::make_shared<const Decoder>(spec, parameters, options.routing)};
}

}  // namespace cadre::model
