#include "tests/core/ops/router_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace cadre::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Matrix zeros_like(const Matrix& m) { return Matrix(m.size(), std::vector<double>(m[0].size())); }

// The experts of a row, best first, ties to the lower index.
std::vector<size_t> ranked(const std::vector<double>& row) {
  std::vector<size_t> order(row.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return row[a] > row[b]; });
  return order;
}

std::vector<double> with_gumbel(const ReferenceInput& in, size_t n) {
  std::vector<double> row = in.logits[n];
  if (!in.training) return row;
  for (size_t e = 0; e < row.size(); ++e) {
    const double noise = in.random.gumbel(static_cast<int64_t>(n * row.size() + e));
    row[e] = static_cast<float>(row[e] + noise);  // the choice is made in f32
  }
  return row;
}

// OLMoE: y = sum over the top k of p_e E_e(x).
Matrix top_k(const ReferenceInput& in) {
  const Matrix p = softmax_rows(in.logits);
  Matrix g = zeros_like(p);
  for (size_t n = 0; n < p.size(); ++n) {
    const auto order = ranked(p[n]);
    for (int64_t j = 0; j < in.top_k; ++j) g[n][order[j]] = p[n][order[j]];
  }
  return g;
}

// Shazeer et al.: G = softmax(keep the top k of H, the others -inf); H has its noise already.
Matrix noisy_top_k(const ReferenceInput& in) {
  Matrix h = in.logits;
  for (std::vector<double>& row : h) {
    const auto order = ranked(row);
    for (size_t j = static_cast<size_t>(in.top_k); j < row.size(); ++j) row[order[j]] = -kInfinity;
  }
  return softmax_rows(h);
}

// GShard, algorithm 1, with one group: the counters go on beyond the capacity.
Matrix gshard(const ReferenceInput& in) {
  const Matrix p = softmax_rows(in.logits);
  Matrix g = zeros_like(p);
  std::vector<int64_t> c(p[0].size(), 0);
  for (size_t s = 0; s < p.size(); ++s) {
    if (in.real[s] == 0) continue;
    const auto e = ranked(p[s]);
    const double g1 = p[s][e[0]] / (p[s][e[0]] + p[s][e[1]]);
    if (c[e[0]] < in.capacity) g[s][e[0]] = g1;
    ++c[e[0]];
  }
  for (size_t s = 0; s < p.size(); ++s) {
    if (in.real[s] == 0) continue;
    const auto e = ranked(p[s]);
    const double g2 = p[s][e[1]] / (p[s][e[0]] + p[s][e[1]]);
    const double rnd = in.training ? in.random.second(static_cast<int64_t>(2 * s + 1)) : 0.0;
    if (c[e[1]] < in.capacity && 2 * g2 > rnd) g[s][e[1]] = g2;
    ++c[e[1]];
  }
  return g;
}

// Switch Transformer: the first tokens of each expert, with the winner's probability.
Matrix switch_transformer(const ReferenceInput& in) {
  const Matrix p = softmax_rows(in.logits);
  Matrix g = zeros_like(p);
  std::vector<int64_t> position(p[0].size(), 0);
  for (size_t n = 0; n < p.size(); ++n) {
    if (in.real[n] == 0) continue;
    const size_t e = ranked(p[n])[0];
    if (position[e]++ < in.capacity) g[n][e] = p[n][e];
  }
  return g;
}

// DeepSpeed's top1gating: each expert keeps the tokens with the largest of uniform draws.
Matrix deepspeed_top_1(const ReferenceInput& in) {
  const Matrix p = softmax_rows(in.logits);
  Matrix g = zeros_like(p);
  for (size_t e = 0; e < p[0].size(); ++e) {
    std::vector<size_t> chosen;
    for (size_t n = 0; n < p.size(); ++n) {
      if (in.real[n] != 0 && ranked(p[n])[0] == e) chosen.push_back(n);
    }
    if (in.training) {
      std::sort(chosen.begin(), chosen.end(), [&](size_t a, size_t b) {
        return in.random.order(static_cast<int64_t>(a)) > in.random.order(static_cast<int64_t>(b));
      });
    }
    for (size_t i = 0; i < chosen.size(); ++i) {
      if (static_cast<int64_t>(i) < in.capacity) g[chosen[i]][e] = p[chosen[i]][e];
    }
  }
  return g;
}

// DeepSpeed's top2gating: second choices by Gumbel noise queue behind all first ones, and what is
// kept is divided by its sum.
Matrix deepspeed_top_2(const ReferenceInput& in) {
  const Matrix p = softmax_rows(in.logits);
  Matrix g = zeros_like(p);
  std::vector<int64_t> locations(p[0].size(), 0);
  std::vector<size_t> first(p.size());
  for (size_t n = 0; n < p.size(); ++n) {
    if (in.real[n] == 0) continue;
    first[n] = ranked(p[n])[0];
    if (locations[first[n]]++ < in.capacity) g[n][first[n]] = p[n][first[n]];
  }
  for (size_t n = 0; n < p.size(); ++n) {
    if (in.real[n] == 0) continue;
    std::vector<double> rest = with_gumbel(in, n);
    rest[first[n]] = -kInfinity;
    const size_t second = ranked(rest)[0];
    if (locations[second]++ < in.capacity) g[n][second] = p[n][second];
  }
  for (std::vector<double>& row : g) {
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    for (double& value : row) value /= std::max(sum, 1.1920929e-7);
  }
  return g;
}

// ST-MoE: a second expert of a fifth of the pair's weight at least; buffers are filled in the order
// of the best probability.
Matrix st_moe(const ReferenceInput& in) {
  const Matrix p = softmax_rows(in.logits);
  Matrix g = zeros_like(p);
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return p[a][ranked(p[a])[0]] > p[b][ranked(p[b])[0]];
  });
  std::vector<int64_t> count(p[0].size(), 0);
  for (const size_t slot : {0, 1}) {
    for (const size_t n : order) {
      if (in.real[n] == 0) continue;
      const auto e = ranked(p[n]);
      const double gate = p[n][e[slot]] / (p[n][e[0]] + p[n][e[1]]);
      if (slot == 1 && !(gate > 0.2)) continue;
      if (count[e[slot]]++ < in.capacity) g[n][e[slot]] = gate;
    }
  }
  return g;
}

// megablocks, dropped: (token, expert) pairs are sorted by expert and cut at the capacity.
Matrix megablocks(const ReferenceInput& in) {
  const Matrix p = softmax_rows(in.logits);
  Matrix g = zeros_like(p);
  std::vector<int64_t> bin(p[0].size(), 0);
  for (size_t n = 0; n < p.size(); ++n) {
    if (in.real[n] == 0) continue;
    const auto order = ranked(p[n]);
    for (int64_t j = 0; j < in.top_k; ++j) {
      if (bin[order[j]]++ < in.capacity) g[n][order[j]] = p[n][order[j]];
    }
  }
  return g;
}

// Expert choice over all tokens: (G, I) = TopK(S^T, kappa).
Matrix expert_choice(const ReferenceInput& in) {
  const Matrix p = softmax_rows(in.logits);
  Matrix g = zeros_like(p);
  const auto tokens = std::count(in.real.begin(), in.real.end(), 1);
  const int64_t kappa = in.top_k * tokens / std::ssize(p[0]);
  for (size_t e = 0; e < p[0].size(); ++e) {
    std::vector<double> column;
    for (size_t n = 0; n < p.size(); ++n) column.push_back(in.real[n] != 0 ? p[n][e] : -1.0);
    const auto order = ranked(column);
    for (int64_t i = 0; i < kappa; ++i) g[order[i]][e] = column[order[i]];
  }
  return g;
}

// DeepSeek-V3: s = sigmoid(z); the groups with the largest sums of two best s + b, of them the k
// best s + b; weights s over their sum, times 2.5.
Matrix deepseek_v3(const ReferenceInput& in) {
  Matrix g = zeros_like(in.logits);
  const size_t experts = in.logits[0].size();
  const size_t size = experts / static_cast<size_t>(in.num_groups);
  for (size_t n = 0; n < in.logits.size(); ++n) {
    std::vector<double> s, choice, worth;
    for (size_t e = 0; e < experts; ++e) {
      s.push_back(1.0 / (1.0 + std::exp(-in.logits[n][e])));
      choice.push_back(s[e] + in.bias[e]);
    }
    for (size_t begin = 0; begin < experts; begin += size) {
      std::vector<double> group(choice.begin() + begin, choice.begin() + begin + size);
      std::sort(group.begin(), group.end(), std::greater<>());
      worth.push_back(group[0] + (size > 1 ? group[1] : 0.0));
    }
    const auto best = ranked(worth);
    for (size_t i = static_cast<size_t>(in.top_groups); i < best.size(); ++i) {
      for (size_t e = best[i] * size; e < (best[i] + 1) * size; ++e) choice[e] = -kInfinity;
    }
    const auto order = ranked(choice);
    double sum = 0.0;
    for (int64_t j = 0; j < in.top_k; ++j) sum += s[order[j]];
    for (int64_t j = 0; j < in.top_k; ++j) g[n][order[j]] = 2.5 * s[order[j]] / sum;
  }
  return g;
}

}  // namespace

Matrix softmax_rows(const Matrix& logits) {
  Matrix p = logits;
  for (std::vector<double>& row : p) {
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0.0;
    for (double& value : row) sum += value = std::exp(value - largest);
    for (double& value : row) value /= sum;
  }
  return p;
}

std::vector<ReferenceRouter> reference_routers() {
  return {{"top_k", top_k},
          {"noisy_top_k", noisy_top_k},
          {"gshard", gshard},
          {"switch", switch_transformer},
          {"deepspeed_top_1", deepspeed_top_1},
          {"deepspeed_top_2", deepspeed_top_2},
          {"st_moe", st_moe},
          {"megablocks", megablocks},
          {"expert_choice", expert_choice},
          {"deepseek_v3", deepseek_v3}};
}

}  // namespace cadre::ops
