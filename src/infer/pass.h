// Tokens of several sequences through a decoder at once: what engine, draft model and measurements
// do in each step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "infer/cache_step.h"
#include "infer/paged_cache.h"
#include "model/decoder.h"

namespace cadre::infer {

// Collect tokens with add(), compute with hidden(), then commit() each sequence to the cache. Used
// again and again, it allocates nothing itself once it has seen its largest step. Belongs to one
// thread; the cache must outlive it.
class Pass {
 public:
  explicit Pass(PagedCache& cache) : step_(cache) {}

  void clear();
  // The next rows are these tokens of the sequence, behind what it has, and then guesses, some of
  // which may be taken back. reserve() has made room for all of them. The sequence must stay in
  // place until the pass has ended.
  void add(CacheSequence& sequence, std::span<const int32_t> tokens,
           std::span<const int32_t> guesses = {});
  int64_t num_rows() const { return step_.num_rows(); }

  // The last hidden states of all rows, [num_rows, D] in the compute type; `trace` may be null.
  Tensor hidden(Context& ctx, const model::Decoder& decoder, nn::ForwardTrace* trace = nullptr);
  // After the pass: of the tokens of sequence `index` only the first `count` >= 1 stand. Call it
  // before the cache's commit().
  void shorten(size_t index, int64_t count) { step_.shorten(index, count); }

 private:
  CacheStep step_;
  std::shared_ptr<std::vector<int32_t>> tokens_ = std::make_shared<std::vector<int32_t>>();
  std::shared_ptr<std::vector<int32_t>> positions_ = std::make_shared<std::vector<int32_t>>();
};

// f32 logits [rows, V] of some rows of hidden states, none for none.
Tensor logits_of_rows(Context& ctx, const model::Decoder& decoder, const Tensor& hidden,
                      std::span<const int64_t> rows);

}  // namespace cadre::infer
