// Localized filtering: two causal convolutions of depth two over time, dense over channels, and the
// input added back. For each sequence, with token t at time t:
//
//   c[t] = A0 h[t-1] + A1 h[t] + a             first = [A0 | A1], [C, 2D]
//   y[t] = B0 c[t-1] + B1 c[t] + b + h[t]      second = [B0 | B1], [D, 2C]
//
// h[-1] = 0 and c[-1] = 0: the inner row before the first token is zero, not the bias a. Wu et al.,
// "YUAN 2.0: A Large Language Model with Localized Filtering-based Attention", arXiv:2311.15786,
// where an RMS norm follows.
//
// A row and the one before it are 2D neighbouring elements, so each convolution is one product over
// overlapping rows. A row of the result depends on two rows of h and one of c alone, and has the
// same bits whether its sequence is computed at once or in pieces.
#pragma once

#include "core/ops/attention.h"
#include "core/ops/context.h"

namespace cadre::ops {

struct LocalFilterWeights {
  Tensor first;        // [C, 2D], of the dtype of h
  Tensor first_bias;   // [C] f32
  Tensor second;       // [D, 2C]
  Tensor second_bias;  // [D] f32
};

// Rows of h and of c, in the dtype of h.
struct LocalFilterRows {
  Tensor hidden;  // [R, D]
  Tensor inner;   // [R, C]
};

// h is [N, D] in f32 or bf16, the result [N, D] in f32. The segments say where sequences lie in h
// (query_begin, num_queries); they follow each other and cover all rows. Each starts with zeros.
Tensor local_filter(Context& ctx, const Tensor& h, const LocalFilterWeights& weights,
                    const AttentionSegments& segments);

// The same for sequences whose earlier tokens are not in h: `before` has a row for each segment,
// those of the token before (zeros where there is none). `inner` becomes c, [N, C], which with h is
// what the next step needs. Records nothing.
Tensor local_filter(Context& ctx, const Tensor& h, const LocalFilterWeights& weights,
                    const AttentionSegments& segments, const LocalFilterRows& before,
                    Tensor* inner);

}  // namespace cadre::ops
