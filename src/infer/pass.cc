#include "infer/pass.h"

namespace cadre::infer {

void Pass::clear() {
  // A pass that failed may have left someone else with the old ones.
  if (tokens_.use_count() > 1) tokens_ = std::make_shared<std::vector<int32_t>>();
  if (positions_.use_count() > 1) positions_ = std::make_shared<std::vector<int32_t>>();
  tokens_->clear();
  positions_->clear();
  step_.clear();
}

void Pass::add(CacheSequence& sequence, std::span<const int32_t> tokens,
               std::span<const int32_t> guesses) {
  tokens_->insert(tokens_->end(), tokens.begin(), tokens.end());
  tokens_->insert(tokens_->end(), guesses.begin(), guesses.end());
  const int64_t count = std::ssize(tokens) + std::ssize(guesses);
  for (int64_t i = 0; i < count; ++i) {
    positions_->push_back(static_cast<int32_t>(sequence.length + i));
  }
  step_.add(sequence, count, !guesses.empty());
}

Tensor Pass::hidden(Context& ctx, const model::Decoder& decoder, nn::ForwardTrace* trace) {
  nn::ForwardInput input;
  input.tokens = tokens_;
  input.positions = positions_;
  input.store = &step_;
  return decoder.hidden(ctx, input, trace);
}

Tensor logits_of_rows(Context& ctx, const model::Decoder& decoder, const Tensor& hidden,
                      std::span<const int64_t> rows) {
  if (rows.empty()) return {};
  const Tensor wanted = ctx.empty({std::ssize(rows), hidden.dim(1)}, hidden.dtype());
  for (size_t i = 0; i < rows.size(); ++i) {
    copy_row(hidden, rows[i], wanted, static_cast<int64_t>(i));
  }
  return decoder.logits(ctx, wanted);
}

}  // namespace cadre::infer
