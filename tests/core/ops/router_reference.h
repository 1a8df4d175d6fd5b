// Routers by the letter of their papers: a few lines each, in double, with dense gates. The fast
// paths are tested against these.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/ops/router_random.h"

namespace cadre::ops {

using Matrix = std::vector<std::vector<double>>;

// logits [N][E]; `real` is 0 for padding; `capacity` is C; `training` adds noise and chance.
struct ReferenceInput {
  Matrix logits;
  std::vector<uint8_t> real;
  int64_t top_k = 1;
  int64_t capacity = 0;
  bool training = true;
  RouterRandom random{0, 0};
  std::vector<double> bias;  // [E]
  int64_t num_groups = 1, top_groups = 1;
};

// What a token adds to its stream is sum_e gates[n][e] * expert_e(x_n).
struct ReferenceRouter {
  std::string kind;  // of core/ops/router_kinds.h
  std::function<Matrix(const ReferenceInput&)> gates;
};

std::vector<ReferenceRouter> reference_routers();

Matrix softmax_rows(const Matrix& logits);

}  // namespace cadre::ops
