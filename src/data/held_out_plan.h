// Which held-out documents an evaluation reads, and how they are cut into sequences.
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "data/token_stream.h"

namespace cadre::data {

// Whole documents of the stream, drawn by chance with a fixed seed until max_tokens are reached (at
// least one, so a first document longer than that is read to its end), in the order of the stream,
// end to end, cut into sequences of T tokens. Every token of them is read once, and all but the
// first of each document is a target once. Immutable.
class HeldOutPlan {
 public:
  HeldOutPlan(const TokenStream& stream, int64_t max_tokens);

  int64_t num_tokens() const { return begin_.back(); }
  int64_t num_documents() const { return static_cast<int64_t>(documents_.size()); }
  int64_t text_bytes() const { return text_bytes_; }
  int64_t num_batches(int64_t batch_size, int64_t sequence_length) const;
  // index in [0, num_batches).
  Batch batch(const TokenStream& stream, int32_t source, int64_t index, int64_t batch_size,
              int64_t sequence_length) const;

 private:
  std::vector<TokenStream::DocumentSpan> documents_;
  std::vector<int64_t> begin_ = {0};  // of each document in the concatenation, and the end
  int64_t text_bytes_ = 0;
};

// Appends tokens [begin, end) of a document that ends at document_end as one segment.
void append_segment(const TokenStream& stream, int64_t begin, int64_t end, int64_t document_end,
                    Batch& batch);

}  // namespace cadre::data
