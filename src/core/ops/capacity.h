// Which assignments an expert with limited room accepts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ops/router_spec.h"

namespace cadre::ops {

// C = max(minimum, factor * top_k * tokens / E), rounded as the spec says; at least 0.
int64_t expert_capacity(const RouterSpec& spec, double factor, int64_t tokens);

// A choice that SecondExpert turned down: it is neither an expert nor -1, and is its own inverse.
constexpr int32_t rejected(int32_t expert) { return -2 - expert; }

// Queues are filled token by token in `order` (all real tokens, each once): with capacity.by_token
// all choices of a token before the next token, otherwise all first choices before all second ones.
// wanted[n, j] is an expert or a rejected() one, which takes a place only if
// capacity.rejected_take_place. experts[n, j] becomes the expert of an accepted choice and -1
// otherwise; tokens that are not in `order` (padding) get none.
void fill_queues(const RouterSpec& spec, int64_t room, std::span<const int32_t> order,
                 std::span<const int32_t> wanted, std::span<int32_t> experts);

}  // namespace cadre::ops
