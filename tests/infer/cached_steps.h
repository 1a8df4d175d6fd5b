// Steps of a decoder with a paged cache, and the same tokens without one.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "infer/cache_step.h"
#include "infer/paged_cache.h"
#include "model/decoder.h"
#include "tests/model/machine.h"

namespace cadre {

// One text and its place in a cache of its own.
struct CachedText {
  CachedText(const model::ModelSpec& spec, DType type, int64_t num_tokens)
      : CachedText(spec, type, {.num_tokens = num_tokens, .step_tokens = num_tokens}) {}
  CachedText(const model::ModelSpec& spec, DType type, const infer::CacheOptions& options)
      : cache(spec, type, options), sequence(cache.make_sequence()) {}

  int64_t length() const { return sequence.length; }
  // Another text: what it has in common with those before is found again.
  int64_t start_again(Context& ctx, std::span<const int32_t> other) {
    cache.release(sequence, tokens);
    const int64_t found = cache.attach(ctx, sequence, other);
    tokens.assign(other.begin(), other.begin() + found);
    return found;
  }

  infer::PagedCache cache;
  infer::CacheSequence sequence;
  std::vector<int32_t> tokens;
};

// Hidden states of tokens that follow what the cache holds. The last `refused` of them are taken
// back after the pass.
inline Tensor step(Machine& machine, const model::Decoder& decoder, CachedText& text,
                   std::span<const int32_t> tokens, int64_t refused = 0) {
  auto positions = std::make_shared<std::vector<int32_t>>(tokens.size());
  std::iota(positions->begin(), positions->end(), static_cast<int32_t>(text.length()));
  const auto count = static_cast<int64_t>(tokens.size());
  CHECK(text.cache.extendable(text.sequence, count) == count);
  text.cache.reserve(machine.ctx, text.sequence, count);
  infer::CacheStep pass(text.cache);
  pass.add(text.sequence, count, refused > 0);
  nn::ForwardInput input;
  input.tokens = std::make_shared<const std::vector<int32_t>>(tokens.begin(), tokens.end());
  input.positions = std::move(positions);
  input.store = &pass;
  const Tensor hidden = decoder.hidden(machine.ctx, input, nullptr);
  pass.shorten(0, count - refused);
  text.tokens.insert(text.tokens.end(), tokens.begin(), tokens.end() - refused);
  text.cache.commit(text.sequence, text.tokens);
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
