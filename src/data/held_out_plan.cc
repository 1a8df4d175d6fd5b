#include "data/held_out_plan.h"

#include <algorithm>

#include "core/base/error.h"
#include "data/permutation.h"

namespace cadre::data {
namespace {

// Evaluations compare across runs, so what they read does not depend on the seed of training.
constexpr uint64_t kEvaluationKey = 0x6576616cull;

}  // namespace

void append_segment(const TokenStream& stream, int64_t begin, int64_t end, int64_t document_end,
                    Batch& batch) {
  const size_t at = batch.tokens.size();
  const auto length = static_cast<size_t>(end - begin);
  batch.starts.push_back(static_cast<int64_t>(at));
  batch.tokens.resize(at + length);
  stream.copy_tokens(begin, std::span(batch.tokens).subspan(at));
  batch.targets.insert(batch.targets.end(), batch.tokens.begin() + static_cast<int64_t>(at) + 1,
                       batch.tokens.end());
  int32_t last = -1;
  if (end < document_end) stream.copy_tokens(end, {&last, 1});
  batch.targets.push_back(last);
  batch.num_targets += static_cast<int64_t>(length) - (last < 0 ? 1 : 0);
  for (size_t i = 0; i < length; ++i) batch.positions.push_back(static_cast<int32_t>(i));
}

HeldOutPlan::HeldOutPlan(const TokenStream& stream, int64_t max_tokens) {
  if (stream.num_documents() == 0) return;
  const Permutation draw(stream.num_documents(), kEvaluationKey);
  int64_t tokens = 0;
  for (int64_t i = 0; i < stream.num_documents(); ++i) {
    const TokenStream::DocumentSpan document = stream.document(draw(i));
    const int64_t length = document.end - document.begin;
    if (!documents_.empty() && length > max_tokens - tokens) break;
    documents_.push_back(document);
    tokens += length;
  }
  std::sort(documents_.begin(), documents_.end(),
            [](const auto& a, const auto& b) { return a.begin < b.begin; });
  for (const TokenStream::DocumentSpan& document : documents_) {
    begin_.push_back(begin_.back() + document.end - document.begin);
    text_bytes_ += document.scored_bytes;
  }
}

int64_t HeldOutPlan::num_batches(int64_t batch_size, int64_t sequence_length) const {
  const int64_t tokens = batch_size * sequence_length;
  return (num_tokens() + tokens - 1) / tokens;
}

Batch HeldOutPlan::batch(const TokenStream& stream, int32_t source, int64_t index,
                         int64_t batch_size, int64_t sequence_length) const {
  CADRE_CHECK(index >= 0 && index < num_batches(batch_size, sequence_length));
  Batch batch;
  const int64_t first = index * batch_size * sequence_length;
  const int64_t last = std::min(first + batch_size * sequence_length, num_tokens());
  auto document = static_cast<size_t>(std::upper_bound(begin_.begin(), begin_.end(), first) -
                                      begin_.begin() - 1);
  for (int64_t at = first; at < last;) {
    const int64_t row_end = at - (at - first) % sequence_length + sequence_length;
    if ((at - first) % sequence_length == 0) batch.sources.push_back(source);
    const TokenStream::DocumentSpan& span = documents_[document];
    const int64_t end = std::min({row_end, last, begin_[document + 1]});
    const int64_t offset = span.begin - begin_[document];
    append_segment(stream, offset + at, offset + end, span.end, batch);
    if (end == begin_[document + 1]) {
      batch.text_bytes += span.scored_bytes;
      ++document;
    }
    at = end;
  }
  return batch;
}

}  // namespace cadre::data
