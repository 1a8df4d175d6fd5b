#include "core/ops/weight.h"

#include <algorithm>

#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/embedding.h"
#include "core/tensor/pool_vector.h"

namespace cadre::ops {
namespace {

// Tiles of a task for many tokens, which are packed for each task anew.
constexpr int64_t kTaskTiles = 64;
constexpr int64_t kManyTokens = 16;

// Rows [begin, begin + rows) of x and y against one matrix of the stack.
struct Group {
  int64_t begin;
  int64_t rows;
  int64_t matrix;
};

struct Task {
  const Group* group;
  Range tiles;
};

PoolVector<Task> divide(Context& ctx, const PackedMatrix& w, std::span<const Group> groups) {
  const int64_t tiles = packed_tiles(w.rows);
  // When few tokens make the product a matter of memory.
  const int64_t few =
      std::max<int64_t>(1, ctx.crossovers().task_kib * 1024 / packed_tile_bytes(w.format, w.k));
  int64_t total = 0;
  int64_t rows = 0;
  for (const Group& group : groups) {
    total += group.rows > 0 ? tiles : 0;
    rows += group.rows;
  }
  // At least a few tasks for each thread, of whatever size.
  const int64_t most = std::max<int64_t>(1, total / (4 * ctx.pool().num_threads()));
  // The same room however the rows fall to the groups.
  PoolVector<Task> tasks(ctx.allocator());
  tasks.reserve(static_cast<size_t>(std::min<int64_t>(std::ssize(groups), rows) * tiles));
  for (const Group& group : groups) {
    if (group.rows == 0) continue;
    const int64_t wanted = group.rows < kManyTokens ? few : kTaskTiles;
    const int64_t step = std::min(wanted, most);
    for (int64_t t = 0; t < tiles; t += step) {
      tasks.push_back({&group, {t, std::min(tiles, t + step)}});
    }
  }
  // Many rows first, so that what is left for the end is small.
  std::ranges::sort(tasks, [](const Task& a, const Task& b) {
    if (a.group->rows != b.group->rows) return a.group->rows > b.group->rows;
    return a.group != b.group ? a.group < b.group : a.tiles.begin < b.tiles.begin;
  });
  return tasks;
}

Tensor multiply(Context& ctx, const LinearInput& x, const PackedMatrix& w,
                std::span<const Group> groups, DType dtype) {
  CADRE_CHECK(x.quants.defined() && !ctx.recording());
  const int64_t k = w.k;
  const Tensor y = ctx.empty({x.quants.dim(0), w.rows}, DType::f32);
  const PoolVector<Task> tasks = divide(ctx, w, groups);
  ctx.for_tasks(
      static_cast<int64_t>(tasks.size()), kernels::quantised_gemm_scratch(k),
      [&](int64_t index, std::byte* scratch) {
        const Task& task = tasks[static_cast<size_t>(index)];
        const int64_t row = task.group->begin;
        const int64_t column = task.tiles.begin * kPackedRows;
        ctx.kernels().quantised_gemm({.x = quantised_rows(x, row),
                                      .m = task.group->rows,
                                      .k = k,
                                      .format = w.format,
                                      .tiles = w.tile(task.group->matrix, task.tiles.begin),
                                      .n = std::min(w.rows, task.tiles.end * kPackedRows) - column,
                                      .y = y.data<float>() + row * w.rows + column,
                                      .y_stride = w.rows,
                                      .scratch = scratch,
                                      .tile_tokens = ctx.crossovers().tile_tokens});
      });
  return dtype == DType::f32 ? y : cast(ctx, y, dtype);
}

}  // namespace

int64_t Weight::count() const {
  if (slots) return static_cast<int64_t>(slots->size());
  if (packed.defined()) return packed.count;
  if (parts) return parts->count();
  return dense.rank() == 3 ? dense.dim(0) : 1;
}

int64_t Weight::rows() const {
  if (parts) return parts->rows();
  return packed.defined() ? packed.rows : dense.dim(dense.rank() - 2);
}

int64_t Weight::bytes() const {
  if (parts) return std::ssize(parts->parts) * parts->parts.front().bytes();
  return packed.defined() ? packed.bytes() : dense.bytes();
}

int64_t Weight::matrix_bytes() const {
  if (packed.defined()) return packed.matrix_bytes();
  if (parts) return parts->per_matrix * parts->parts.front().bytes();
  return dense.rank() == 3 ? dense.dim(1) * dense.dim(2) * dtype_size(dense.dtype())
                           : dense.bytes();
}

LinearInput quantised_input(Context& ctx, int64_t n, int64_t k) {
  return {.x = {},
          .quants = ctx.empty({n, k}, DType::i8),
          .scales = ctx.empty({n, k / 32}, DType::f32),
          .sums = ctx.empty({n, k / 16}, DType::i32),
          .minimums = ctx.empty({n, k / 32}, DType::f32)};
}

kernels::QuantisedRows quantised_rows(const LinearInput& input, int64_t begin) {
  const int64_t k = input.quants.dim(1);
  return {static_cast<const int8_t*>(input.quants.raw()) + begin * k,
          input.scales.data<float>() + begin * (k / 32),
          input.sums.data<int32_t>() + begin * (k / 16),
          input.minimums.data<float>() + begin * (k / 32)};
}

kernels::QuantiseRowsArgs rows_of(const LinearInput& input, const void* x, DType type,
                                  int64_t begin) {
  const int64_t k = input.quants.dim(1);
  return {.x = x,
          .type = type,
          .k = k,
          .quants = static_cast<int8_t*>(input.quants.raw()) + begin * k,
          .scales = input.scales.data<float>() + begin * (k / 32),
          .sums = input.sums.data<int32_t>() + begin * (k / 16),
          .x_minimums = input.minimums.data<float>() + begin * (k / 32)};
}

LinearInput linear_input(Context& ctx, const Tensor& x, std::span<const Weight* const> weights) {
  LinearInput input;
  input.x = x;
  const auto packed =
      std::ranges::find_if(weights, [](const Weight* w) { return w->packed.defined(); });
  if (packed == weights.end()) return input;
  expect_activation(x, "linear: x");
  expect_rank(x, 2, "linear: x");
  const int64_t n = x.dim(0);
  const int64_t k = (*packed)->packed.k;
  for (const Weight* weight : weights) {
    if (weight->packed.defined()) expect_shape(x, {n, weight->packed.k}, "linear: x");
  }
  input = quantised_input(ctx, n, k);
  input.x = x;
  const kernels::QuantiseRowsArgs args = rows_of(input, x.raw(), x.dtype(), 0);
  ctx.for_rows(n, k * 6, [&](Range rows) { ctx.kernels().quantise_rows(args, rows); });
  return input;
}

LinearInput linear_input(Context& ctx, const Tensor& x, const Weight& weight) {
  const Weight* const one = &weight;
  return linear_input(ctx, x, {&one, 1});
}

Tensor linear(Context& ctx, const LinearInput& x, const Weight& weight, DType dtype) {
  if (weight.parts) {
    const int64_t ends[] = {0, x.x.dim(0)};
    return linear_of_parts(ctx, x.x, *weight.parts, ends, dtype);
  }
  if (!weight.packed.defined()) return linear(ctx, x.x, weight.dense, dtype);
  const Group all = {0, x.quants.dim(0), 0};
  return multiply(ctx, x, weight.packed, {&all, 1}, dtype);
}

Tensor grouped_linear(Context& ctx, const LinearInput& x, const Weight& weight, GroupOffsets ends) {
  if (weight.parts) return linear_of_parts(ctx, x.x, *weight.parts, ends, x.x.dtype());
  if (!weight.packed.defined()) {
    return weight.slots ? grouped_linear(ctx, x.x, weight.dense, ends, *weight.slots)
                        : grouped_linear(ctx, x.x, weight.dense, ends);
  }
  CADRE_CHECK(static_cast<int64_t>(ends.size()) == weight.count() + 1);
  PoolVector<Group> groups(ctx.allocator());
  groups.reserve(static_cast<size_t>(weight.count()));
  for (int64_t e = 0; e < weight.count(); ++e) {
    const int64_t begin = ends[static_cast<size_t>(e)];
    const int64_t matrix = weight.slots ? (*weight.slots)[static_cast<size_t>(e)] : e;
    CADRE_CHECK(0 <= matrix && matrix < weight.packed.count);
    groups.push_back({begin, ends[static_cast<size_t>(e) + 1] - begin, matrix});
  }
  return multiply(ctx, x, weight.packed, groups, DType::f32);
}

LinearInput slice(const LinearInput& x, Range rows) {
  const auto part = [&](const Tensor& tensor) {
    return tensor.defined() ? tensor.slice(rows.begin, rows.end) : tensor;
  };
  return {part(x.x), part(x.quants), part(x.scales), part(x.sums), part(x.minimums)};
}

LinearInput permute(Context& ctx, const LinearInput& x, const DispatchPlanPtr& plan) {
  LinearInput result;
  if (!x.quants.defined()) {
    result.x = permute(ctx, x.x, plan);
    return result;
  }
  const auto rows = static_cast<int64_t>(plan->source.size());
  const auto rows_of = [&](const Tensor& from) {
    const Tensor to = ctx.empty({rows, from.dim(1)}, from.dtype());
    const kernels::GatherRowsArgs args = {.x = from.raw(),
                                          .y = to.raw(),
                                          .type = from.dtype(),
                                          .source = plan->source.data(),
                                          .width = from.dim(1)};
    ctx.for_rows(rows, 2 * from.dim(1) * dtype_size(from.dtype()),
                 [&](Range range) { ctx.kernels().gather_rows(args, range); });
    return to;
  };
  result.quants = rows_of(x.quants);
  result.scales = rows_of(x.scales);
  result.sums = rows_of(x.sums);
  result.minimums = rows_of(x.minimums);
  return result;
}

Tensor embedding(Context& ctx, const Weight& weight, std::span<const int32_t> tokens, DType dtype) {
  if (!weight.packed.defined()) return embedding(ctx, weight.dense, tokens, dtype);
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t width = weight.packed.k;
  for (int64_t n = 0; n < count; ++n) {
    expect_token(tokens[static_cast<size_t>(n)], n, weight.packed.rows);
  }
  const Tensor y = ctx.empty({count, width}, DType::f32);
  ctx.for_rows(count, 64 * width, [&](Range rows) {
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      unpack_row(weight.packed, 0, tokens[static_cast<size_t>(n)], y.data<float>() + n * width);
    }
  });
  return dtype == DType::f32 ? y : cast(ctx, y, dtype);
}

}  // namespace cadre::ops
