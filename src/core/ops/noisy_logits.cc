#include "core/ops/noisy_logits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/ops/check.h"
#include "core/ops/router_random.h"

namespace cadre::ops {
namespace {

constexpr int64_t kBlock = 256;
// A deviation below this is no noise, and what is divided by it would not be finite.
constexpr double kLeastDeviation = 1e-10;

double softplus(double x) { return x > 30.0 ? x : std::log1p(std::exp(x)); }
double deviation(float raw) { return std::max(softplus(raw), kLeastDeviation); }

// The k-th and (k+1)-th largest logits of a token: what an expert must exceed to be chosen is the
// first for those outside, the second for those inside.
struct Thresholds {
  int64_t inside;   // index of the k-th largest
  int64_t outside;  // of the (k+1)-th; -1 if there is none
  std::vector<char> chosen;

  Thresholds(const float* h, int64_t num_experts, int64_t top_k)
      : chosen(static_cast<size_t>(num_experts), 0) {
    std::vector<int64_t> order(static_cast<size_t>(num_experts));
    for (int64_t e = 0; e < num_experts; ++e) order[static_cast<size_t>(e)] = e;
    const auto count = std::min(top_k + 1, num_experts);
    const auto value = [&](int64_t e) {
      return std::isnan(h[e]) ? -std::numeric_limits<float>::infinity() : h[e];
    };
    std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](auto a, auto b) {
      return value(a) != value(b) ? value(a) > value(b) : a < b;
    });
    for (int64_t j = 0; j < top_k; ++j) {
      chosen[static_cast<size_t>(order[static_cast<size_t>(j)])] = 1;
    }
    inside = order[static_cast<size_t>(top_k - 1)];
    outside = count > top_k ? order[static_cast<size_t>(top_k)] : -1;
  }

  // The index of the logit that expert e competes with; -1 if with none.
  int64_t rival(int64_t e) const { return chosen[static_cast<size_t>(e)] != 0 ? outside : inside; }
};

struct Arrays {
  const float* clean;
  const float* raw;
  const float* h;
  int64_t num_experts;
  int64_t top_k;
};

// (clean - t) / deviation of expert e of a token; rows are those of the token.
double margin(const Arrays& row, int64_t e, int64_t rival) {
  return (double{row.clean[e]} - row.h[rival]) / deviation(row.raw[e]);
}

Arrays row_of(const Arrays& all, int64_t n) {
  const int64_t at = n * all.num_experts;
  return {all.clean + at, all.raw + at, all.h + at, all.num_experts, all.top_k};
}

void add_load(const Arrays& row, double* load) {
  const Thresholds thresholds(row.h, row.num_experts, row.top_k);
  for (int64_t e = 0; e < row.num_experts; ++e) {
    const int64_t rival = thresholds.rival(e);
    load[e] += rival < 0 ? 1.0 : 0.5 * std::erfc(-margin(row, e, rival) / std::numbers::sqrt2);
  }
}

// Adds the derivative of sum_e g_e P(n, e): to dh that of the rivals, to dclean and ddeviation that
// of the experts themselves.
void add_load_gradient(const Arrays& row, const std::vector<float>& g, double* dh, double* dclean,
                       double* ddeviation) {
  const Thresholds thresholds(row.h, row.num_experts, row.top_k);
  for (int64_t e = 0; e < row.num_experts; ++e) {
    const int64_t rival = thresholds.rival(e);
    if (rival < 0) continue;
    const double u = margin(row, e, rival);
    const double density = std::exp(-0.5 * u * u) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
    const double slope = g[static_cast<size_t>(e)] * density / deviation(row.raw[e]);
    dclean[e] += slope;
    ddeviation[e] -= slope * u;
    dh[rival] -= slope;
  }
}

std::vector<double> sum_loads(Context& ctx, const Arrays& all, int64_t num_tokens,
                              const TokenMask& mask) {
  const auto width = static_cast<size_t>(all.num_experts);
  std::vector<std::vector<double>> blocks(static_cast<size_t>((num_tokens + kBlock - 1) / kBlock));
  ctx.for_blocks(num_tokens, kBlock, [&](Range tokens) {
    std::vector<double>& block = blocks[static_cast<size_t>(tokens.begin / kBlock)];
    block.assign(width, 0.0);
    for (int64_t n = tokens.begin; n < tokens.end; ++n) {
      if (is_real(mask, n)) add_load(row_of(all, n), block.data());
    }
  });
  std::vector<double> load(width, 0.0);
  for (const std::vector<double>& block : blocks) {
    for (size_t e = 0; e < width; ++e) load[e] += block[e];
  }
  return load;
}

// Writes or adds a row of doubles to a gradient, if that is wanted.
void put_row(const Gradient& gradient, int64_t at, std::span<const double> row) {
  if (!gradient.wanted()) return;
  float* to = gradient.value.data<float>() + at;
  for (size_t e = 0; e < row.size(); ++e) {
    to[e] = static_cast<float>(gradient.accumulate ? to[e] + row[e] : row[e]);
  }
}

}  // namespace

Tensor noisy_logits(Context& ctx, const Tensor& clean, const Tensor& raw,
                    const NoisyLogitsOptions& options, const TokenMask& mask,
                    std::shared_ptr<const RouterGradient> gradient, std::vector<double>& load) {
  expect_rank(clean, 2, "noisy_logits: clean");
  expect_dtype(clean, DType::f32, "noisy_logits: clean");
  expect_shape(raw, clean.shape(), "noisy_logits: raw");
  expect_dtype(raw, DType::f32, "noisy_logits: raw");
  const int64_t num_tokens = clean.dim(0);
  const int64_t num_experts = clean.dim(1);
  CADRE_CHECK(options.top_k >= 1 && options.top_k <= num_experts);
  const RouterRandom random(options.seed, static_cast<uint64_t>(options.layer));
  const Tensor h = ctx.empty_like(clean);
  const Arrays all = {clean.data<float>(), raw.data<float>(), h.data<float>(), num_experts,
                      options.top_k};
  ctx.for_blocks(num_tokens, kBlock, [&](Range tokens) {
    for (int64_t i = tokens.begin * num_experts; i < tokens.end * num_experts; ++i) {
      h.data<float>()[i] =
          static_cast<float>(all.clean[i] + random.normal(i) * softplus(all.raw[i]));
    }
  });
  load = sum_loads(ctx, all, num_tokens, mask);
  Tape* tape = ctx.tape();
  if (tape == nullptr || !(tape->tracks(clean) || tape->tracks(raw))) return h;
  // h is captured by a handle to its memory, which the record of its own output may hold.
  tape->record(h, [=](Context& c, const Tensor& dy) {
    const Gradient to_clean = tape->gradient(c, clean);
    const Gradient to_raw = tape->gradient(c, raw);
    const bool balances = gradient != nullptr && !gradient->load_gradient.empty();
    const Arrays arrays = {clean.data<float>(), raw.data<float>(), h.data<float>(), num_experts,
                           options.top_k};
    c.for_blocks(num_tokens, kBlock, [&](Range tokens) {
      const auto width = static_cast<size_t>(num_experts);
      std::vector<double> dh(width), dclean(width), ddeviation(width);
      for (int64_t n = tokens.begin; n < tokens.end; ++n) {
        const int64_t at = n * num_experts;
        std::copy_n(dy.data<float>() + at, width, dh.begin());
        std::ranges::fill(dclean, 0.0);
        std::ranges::fill(ddeviation, 0.0);
        if (balances && is_real(mask, n)) {
          add_load_gradient(row_of(arrays, n), gradient->load_gradient, dh.data(), dclean.data(),
                            ddeviation.data());
        }
        for (size_t e = 0; e < width; ++e) {
          const int64_t i = at + static_cast<int64_t>(e);
          dclean[e] += dh[e];
          ddeviation[e] += dh[e] * random.normal(i);
          ddeviation[e] /= 1.0 + std::exp(-double{arrays.raw[i]});  // softplus' = sigmoid
        }
        put_row(to_clean, at, dclean);
        put_row(to_raw, at, ddeviation);
      }
    });
  });
  return h;
}

}  // namespace cadre::ops
