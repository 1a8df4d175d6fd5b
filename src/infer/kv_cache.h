// Keys and values of one sequence in memory that grows with it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "infer/filter_history.h"
#include "infer/key_value_rows.h"
#include "model/nn/forward.h"
#include "model/spec.h"

namespace cadre::infer {

// For each layer its keys and values in the compute type (infer/key_value_rows.h): with a sliding
// window in a ring, so that memory stops growing. Belongs to one thread.
// A step is: begin_step(n), a forward pass over n tokens, end_step().
class KvCache : public nn::KeyValueStore {
 public:
  // max_length bounds the sequence; memory is taken as it is needed. Throws Error(unsupported) for
  // a model that cannot decode (model/spec.h).
  KvCache(const model::ModelSpec& spec, DType dtype, int64_t max_length);

  int64_t length() const { return length_; }
  int64_t max_length() const { return max_length_; }
  // Throws Error(exhausted) if the sequence would outgrow max_length.
  void begin_step(int64_t num_tokens);
  void end_step();
  // Forgets all tokens from `length` on, those of a step that was not ended too, and returns how
  // many are left: `length`, or fewer, which the caller has to read again. With local filters these
  // are up to FilterHistory::kRecent - 1; with sliding windows all, if keys that a ring has gone
  // over would be seen again.
  int64_t truncate(int64_t length);

  View extend(Context& ctx, int64_t layer, const Tensor& keys, const Tensor& values) override;
  ops::AttentionSegments segments(int64_t layer) const override;
  ops::LocalFilterRows filter_rows_before(Context& ctx, int64_t layer) override;
  void keep_filter_rows(Context& ctx, int64_t layer, const ops::LocalFilterRows& rows) override;

 private:
  struct Layer {
    KeyValueRows rows;
    std::optional<FilterHistory> filter;
  };

  DType dtype_;
  int64_t max_length_;
  int64_t length_ = 0;
  int64_t step_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace cadre::infer
