#include "core/ops/attention_router.h"

#include <algorithm>
#include <vector>

#include "core/ops/check.h"

namespace cadre::ops {
namespace {

// The projections of one token, [E] each.
struct Projections {
  Projections(const float* row, int64_t num_experts)
      : query(row), key(row + num_experts), value(row + 2 * num_experts), width(num_experts) {}
  const float *query, *key, *value;
  int64_t width;
};

// A of one token, [E, E].
void attend(Context& ctx, const Projections& x, float* a) {
  for (int64_t i = 0; i < x.width; ++i) {
    for (int64_t j = 0; j < x.width; ++j) a[i * x.width + j] = x.query[i] * x.key[j];
  }
  ctx.kernels().softmax({.z = a, .p = a, .lse = nullptr, .width = x.width}, {0, x.width});
}

void forward_token(const Projections& x, const float* a, float* p) {
  for (int64_t i = 0; i < x.width; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < x.width; ++j) sum += double{a[i * x.width + j]} * x.value[j];
    p[i] = static_cast<float>(sum);
  }
}

// With g = dP:  dV[j] = sum_i A[i, j] g[i];  the derivative of the score of (i, j) is
// A[i, j] g[i] (V[j] - P[i]), which times K[j] sums to dQ[i], and times Q[i] to dK[j].
void backward_token(const Projections& x, const float* a, const float* p, const float* g,
                    double* sums, float* dx) {
  double* dquery = sums;
  double* dkey = sums + x.width;
  double* dvalue = sums + 2 * x.width;
  std::fill_n(sums, 3 * x.width, 0.0);
  for (int64_t i = 0; i < x.width; ++i) {
    for (int64_t j = 0; j < x.width; ++j) {
      const double weighted = double{a[i * x.width + j]} * g[i];
      const double dscore = weighted * (double{x.value[j]} - p[i]);
      dvalue[j] += weighted;
      dquery[i] += dscore * x.key[j];
      dkey[j] += dscore * x.query[i];
    }
  }
  for (int64_t i = 0; i < 3 * x.width; ++i) dx[i] = static_cast<float>(sums[i]);
}

}  // namespace

Tensor attention_router(Context& ctx, const Tensor& qkv) {
  expect_rank(qkv, 2, "attention_router: qkv");
  expect_dtype(qkv, DType::f32, "attention_router: qkv");
  if (qkv.dim(1) % 3 != 0) {
    fail(ErrorKind::invalid_input, "attention_router: qkv is {}, expected three times the experts",
         to_string(qkv.shape()));
  }
  const int64_t num_experts = qkv.dim(1) / 3;
  const int64_t row_bytes = 8 * num_experts * num_experts;
  const int64_t elements = num_experts * num_experts;
  const Tensor y = ctx.empty({qkv.dim(0), num_experts}, DType::f32);
  const int64_t scratch_bytes = elements * dtype_size(DType::f32);
  ctx.for_rows(qkv.dim(0), row_bytes, scratch_bytes, [&](Range tokens, std::byte* scratch) {
    auto* a = reinterpret_cast<float*>(scratch);
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      const Projections x(qkv.data<float>() + 3 * n * num_experts, num_experts);
      attend(ctx, x, a);
      forward_token(x, a, y.data<float>() + n * num_experts);
    }
  });
  Tape* tape = ctx.tape();
  if (tape == nullptr || !tape->tracks(qkv)) return y;
  // A is computed again on the way back: kept, it would be E / 3 times as large as its input.
  tape->record(y, [=](Context& c, const Tensor& dy) {
    const Tensor dx = c.empty_like(qkv);
    c.for_rows(qkv.dim(0), row_bytes, [&](Range tokens) {
      std::vector<float> a(static_cast<size_t>(elements));
      std::vector<float> p(static_cast<size_t>(num_experts));
      std::vector<double> sums(static_cast<size_t>(3 * num_experts));
      for (int64_t n = tokens.begin; n < tokens.end; ++n) {
        const Projections x(qkv.data<float>() + 3 * n * num_experts, num_experts);
        attend(c, x, a.data());
        forward_token(x, a.data(), p.data());
        backward_token(x, a.data(), p.data(), dy.data<float>() + n * num_experts, sums.data(),
                       dx.data<float>() + 3 * n * num_experts);
      }
    });
    tape->contribute(c, qkv, dx);
  });
  return y;
}

}  // namespace cadre::ops
