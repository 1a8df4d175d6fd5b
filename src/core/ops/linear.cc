#include "core/ops/linear.h"

#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/gemm_tasks.h"
#include "core/tensor/pool_vector.h"

namespace cadre::ops {
namespace {

// One group: x is [rows, in], w [out, in], y [rows, out], all with their rows end to end.
struct Group {
  int64_t begin;  // first row of x and y
  int64_t rows;
  int64_t weight;  // index of w
};

// The three products of a linear layer, for one group or many; shapes as in Group.
struct Products {
  int64_t in;
  int64_t out;

  static const std::byte* at(const Tensor& x, int64_t elements) {
    return static_cast<const std::byte*>(x.raw()) + elements * dtype_size(x.dtype());
  }
  static std::byte* at_output(const Tensor& x, int64_t elements) {
    return static_cast<std::byte*>(x.raw()) + elements * dtype_size(x.dtype());
  }

  // y = x w^T
  void forward(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& y,
               std::span<const Group> groups) const {
    PoolVector<kernels::GemmArgs> products(ctx.allocator());
    products.reserve(groups.size());
    for (const Group& group : groups) {
      products.push_back({.m = group.rows,
                          .n = out,
                          .k = in,
                          .a = at(x, group.begin * in),
                          .a_stride = in,
                          .b = at(w, group.weight * out * in),
                          .b_stride = in,
                          .b_transposed = true,
                          .type = x.dtype(),
                          .c = at_output(y, group.begin * out),
                          .c_stride = out,
                          .c_type = y.dtype()});
    }
    run_gemms(ctx, products);
  }

  // dx = dy w and dw = dy^T x, those that are wanted, as one set of tasks.
  void backward(Context& ctx, const Tensor& dy, const Tensor& x, const Tensor& w,
                const Gradient& dx, const Gradient& dw, std::span<const Group> groups) const {
    PoolVector<kernels::GemmArgs> products(ctx.allocator());
    products.reserve(2 * groups.size());
    for (const Group& group : groups) {
      const std::byte* dy_rows = at(dy, group.begin * out);
      if (dx.wanted()) {
        products.push_back({.m = group.rows,
                            .n = in,
                            .k = out,
                            .a = dy_rows,
                            .a_stride = out,
                            .b = at(w, group.weight * out * in),
                            .b_stride = in,
                            .type = dy.dtype(),
                            .c = at_output(dx.value, group.begin * in),
                            .c_stride = in,
                            .c_type = dx.value.dtype(),
                            .accumulate = dx.accumulate});
      }
      if (dw.wanted() && (group.rows > 0 || !dw.accumulate)) {
        products.push_back({.m = out,
                            .n = in,
                            .k = group.rows,
                            .a = dy_rows,
                            .a_stride = out,
                            .a_transposed = true,
                            .b = at(x, group.begin * in),
                            .b_stride = in,
                            .type = dy.dtype(),
                            .c = at_output(dw.value, group.weight * out * in),
                            .c_stride = in,
                            .c_type = dw.value.dtype(),
                            .accumulate = dw.accumulate});
      }
    }
    run_gemms(ctx, products);
  }
};

Tensor linear_groups(Context& ctx, const Tensor& x, const Tensor& weight, DType dtype,
                     const Products& products, std::span<const Group> groups) {
  const Tensor y = ctx.empty({x.dim(0), products.out}, dtype);
  products.forward(ctx, x, weight, y, groups);
  Tape* tape = ctx.tape();
  if (tape == nullptr || !(tape->tracks(x) || tape->tracks(weight))) return y;
  PoolVector<Group> kept(groups.begin(), groups.end(), ctx.allocator());
  tape->record(y, [=, kept = std::move(kept)](Context& c, const Tensor& dy) {
    const Tensor dz = cast(c, dy, weight.dtype());
    const Gradient dx = tape->gradient(c, x);
    const Gradient dw = tape->gradient(c, weight);
    products.backward(c, dz, x, weight, dx, dw, kept);
  });
  return y;
}

}  // namespace

Tensor linear(Context& ctx, const Tensor& x, const Tensor& weight, DType dtype) {
  expect_activation(x, "linear: x");
  expect_rank(x, 2, "linear: x");
  expect_rank(weight, 2, "linear: weight");
  expect_shape(weight, {weight.dim(0), x.dim(1)}, "linear: weight");
  expect_dtype(weight, x.dtype(), "linear: weight");
  if (ctx.observer() != nullptr) {
    const int64_t ends[] = {0, x.dim(0)};
    ctx.observer()->saw(weight, x, ends);
  }
  const Group all = {0, x.dim(0), 0};
  return linear_groups(ctx, x, weight, dtype, {.in = x.dim(1), .out = weight.dim(0)}, {&all, 1});
}

namespace {

void expect_groups(const Tensor& x, const Tensor& weight, GroupOffsets ends, int64_t count) {
  expect_activation(x, "grouped_linear: x");
  expect_rank(x, 2, "grouped_linear: x");
  expect_rank(weight, 3, "grouped_linear: weight");
  expect_shape(weight, {weight.dim(0), weight.dim(1), x.dim(1)}, "grouped_linear: weight");
  expect_dtype(weight, x.dtype(), "grouped_linear: weight");
  bool valid = static_cast<int64_t>(ends.size()) == count + 1 && ends.front() == 0 &&
               ends.back() == x.dim(0);
  for (size_t e = 1; valid && e < ends.size(); ++e) valid = ends[e - 1] <= ends[e];
  if (!valid) {
    fail(ErrorKind::invalid_input,
         "grouped_linear: {} offsets, expected {} in ascending order from 0 to {}", ends.size(),
         count + 1, x.dim(0));
  }
}

}  // namespace

Tensor grouped_linear(Context& ctx, const Tensor& x, const Tensor& weight, GroupOffsets ends) {
  expect_groups(x, weight, ends, weight.rank() == 3 ? weight.dim(0) : 0);
  if (ctx.observer() != nullptr) ctx.observer()->saw(weight, x, ends);
  PoolVector<Group> groups(ctx.allocator());
  groups.reserve(ends.size());
  for (int64_t e = 0; e < weight.dim(0); ++e) {
    const int64_t begin = ends[static_cast<size_t>(e)];
    groups.push_back({begin, ends[static_cast<size_t>(e) + 1] - begin, e});
  }
  return linear_groups(ctx, x, weight, x.dtype(), {.in = x.dim(1), .out = weight.dim(1)}, groups);
}

Tensor grouped_linear(Context& ctx, const Tensor& x, const Tensor& weight, GroupOffsets ends,
                      std::span<const int64_t> matrices) {
  expect_groups(x, weight, ends, static_cast<int64_t>(matrices.size()));
  CADRE_CHECK(!ctx.recording());
  PoolVector<Group> groups(ctx.allocator());
  groups.reserve(matrices.size());
  for (size_t g = 0; g < matrices.size(); ++g) {
    CADRE_CHECK(0 <= matrices[g] && matrices[g] < weight.dim(0));
    groups.push_back({ends[g], ends[g + 1] - ends[g], matrices[g]});
  }
  return linear_groups(ctx, x, weight, x.dtype(), {.in = x.dim(1), .out = weight.dim(1)}, groups);
}

Tensor linear_of_parts(Context& ctx, const Tensor& x, const RowParts& weight, GroupOffsets offsets,
                       DType dtype) {
  CADRE_CHECK(!ctx.recording());
  expect_activation(x, "linear_of_parts: x");
  expect_rank(x, 2, "linear_of_parts: x");
  const int64_t k = x.dim(1);
  const int64_t height = weight.parts.front().dim(0);
  for (const Tensor& part : weight.parts) {
    expect_shape(part, {height, k}, "linear_of_parts: part");
    expect_dtype(part, x.dtype(), "linear_of_parts: part");
  }
  CADRE_CHECK(std::ssize(offsets) == weight.count() + 1 && offsets.back() == x.dim(0));
  const Tensor y = ctx.empty({x.dim(0), weight.rows()}, dtype);
  // All of them, those without rows too: the length of the list follows from the weight alone.
  PoolVector<kernels::GemmArgs> products(ctx.allocator());
  products.reserve(weight.parts.size());
  for (int64_t matrix = 0; matrix < weight.count(); ++matrix) {
    const int64_t begin = offsets[static_cast<size_t>(matrix)];
    const int64_t rows = offsets[static_cast<size_t>(matrix) + 1] - begin;
    CADRE_CHECK(rows >= 0);
    for (int64_t j = 0; j < weight.per_matrix; ++j) {
      products.push_back(
          {.m = rows,
           .n = height,
           .k = k,
           .a = Products::at(x, begin * k),
           .a_stride = k,
           .b = weight.parts[static_cast<size_t>(matrix * weight.per_matrix + j)].raw(),
           .b_stride = k,
           .b_transposed = true,
           .type = x.dtype(),
           .c = Products::at_output(y, begin * weight.rows() + j * height),
           .c_stride = weight.rows(),
           .c_type = dtype});
    }
  }
  run_gemms(ctx, products);
  return y;
}

}  // namespace cadre::ops
