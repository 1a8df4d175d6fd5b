// What a loader hands to a model.
#pragma once

#include <cstdint>
#include <vector>

namespace cadre::data {

// B sequences of T tokens end to end, N = B * T in all; the last batch of an evaluation has fewer.
// A segment is a run of tokens that attention does not leave: with document masking a document or
// the part of it in one sequence, otherwise a sequence. No segment crosses a sequence's border.
struct Batch {
  std::vector<int32_t> tokens;     // [N]
  std::vector<int32_t> targets;    // [N] the token that follows in the segment's document, or -1:
                                   // nothing in the document follows its last token
  std::vector<int32_t> positions;  // [N] counted from 0 in each segment
  std::vector<int64_t> starts;     // of segments, ascending, the first 0
  std::vector<int32_t> sources;    // [B] the source of each sequence
  int64_t num_targets = 0;         // targets that are not -1
  // Evaluation only. Bytes of text of the documents that end in this batch, without those of their
  // first tokens, which are no targets: summed over all batches it is exactly the text that the
  // targets stand for.
  int64_t text_bytes = 0;
};

}  // namespace cadre::data
