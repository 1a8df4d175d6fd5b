// Steps of a decoder with a cache, and the same tokens without one.
#pragma once

#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "infer/kv_cache.h"
#include "model/decoder.h"
#include "tests/model/machine.h"

namespace cadre {

// Hidden states of tokens that follow what the cache holds.
inline Tensor step(Machine& machine, const model::Decoder& decoder, infer::KvCache& cache,
                   std::span<const int32_t> tokens) {
  auto positions = std::make_shared<std::vector<int32_t>>(tokens.size());
  std::iota(positions->begin(), positions->end(), static_cast<int32_t>(cache.length()));
  nn::ForwardInput input;
  input.tokens = std::make_shared<const std::vector<int32_t>>(tokens.begin(), tokens.end());
  input.positions = std::move(positions);
  input.store = &cache;
  cache.begin_step(static_cast<int64_t>(tokens.size()));
  const Tensor hidden = decoder.hidden(machine.ctx, input, nullptr);
  cache.end_step();
  return hidden;
}

inline bool same_rows(const Tensor& part, const Tensor& whole, int64_t begin) {
  const Tensor rows = whole.slice(begin, begin + part.dim(0));
  return std::memcmp(part.raw(), rows.raw(), static_cast<size_t>(part.bytes())) == 0;
}

inline Tensor without_cache(Machine& machine, const model::Decoder& decoder,
                            const std::vector<int32_t>& tokens) {
  const int64_t start = 0;
  return decoder.hidden(machine.ctx, model::packed_input(tokens, {&start, 1}), nullptr);
}

}  // namespace cadre
