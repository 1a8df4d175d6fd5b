#include "infer/draft_model.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace cadre::infer {

DraftModel::DraftModel(const model::Decoder& decoder, int64_t vocab_size, int64_t max_sequences,
                       int64_t step_tokens, int64_t cache_tokens)
    : decoder_(decoder),
      vocab_size_(std::min(vocab_size, decoder.spec().vocab_size)),
      step_tokens_(step_tokens),
      cache_(decoder.spec(), decoder.parameters().compute(),
             {.num_tokens = cache_tokens,
              .max_sequences = max_sequences,
              .step_tokens = step_tokens,
              .share_prefixes = false,
              .rewind = kMaxDrafts}),
      pass_(cache_) {}

DraftModel::Text& DraftModel::text_of(const Answer& answer) {
  const std::pair key(answer.request, answer.index);
  if (const auto found = texts_.find(key); found != texts_.end()) return *found->second;
  // Room for as much as the answer has room for, and guesses behind it.
  const size_t room = answer.tokens.capacity() + static_cast<size_t>(kMaxDrafts);
  auto text =
      std::make_unique<Text>(Text{.cache = cache_.make_sequence(static_cast<int64_t>(room)),
                                  .tokens = {},
                                  .all = {},
                                  .sampler = Sampler(sampler_of(*answer.options, answer.index))});
  text->tokens.reserve(room);
  text->all.reserve(room);
  return *texts_.emplace(key, std::move(text)).first->second;
}

void DraftModel::forget(const Answer& answer) {
  const auto found = texts_.find({answer.request, answer.index});
  if (found == texts_.end()) return;
  cache_.abandon(found->second->cache);
  texts_.erase(found);
}

void DraftModel::keep_only(std::span<const std::unique_ptr<Answer>> running) {
  std::erase_if(texts_, [&](auto& entry) {
    const bool runs = std::ranges::any_of(running, [&](const std::unique_ptr<Answer>& answer) {
      return entry.first == std::pair(answer->request, answer->index);
    });
    if (!runs) cache_.abandon(entry.second->cache);
    return !runs;
  });
}

// Drops from the cache what the tokens do not begin with, but for the last of them, which is read
// again for its logits.
void DraftModel::go_back(Text& text, std::span<const int32_t> tokens) {
  const auto [ours, theirs] = std::ranges::mismatch(text.tokens, tokens);
  const int64_t common = std::min<int64_t>(ours - text.tokens.begin(), std::ssize(tokens) - 1);
  text.tokens.resize(static_cast<size_t>(cache_.truncate(text.cache, common)));
}

// As many of the entry's tokens as there is room for; false if it takes no part in the pass.
bool DraftModel::schedule(Context& ctx, Entry& entry, int64_t& left) {
  const int64_t pending = std::ssize(entry.text->all) - std::ssize(entry.text->tokens);
  const int64_t count = cache_.extendable(
      entry.text->cache, std::min({pending, left, cache_.capacity() - entry.text->cache.length}));
  if (count < 1) return false;
  try {
    cache_.reserve(ctx, entry.text->cache, count);
  } catch (const std::exception&) {
    fail_at(*entry.text);
    return false;
  }
  entry.scheduled = count;
  left -= count;
  return true;
}

// The text goes on without this model. Some layers may have seen its last tokens and others not.
void DraftModel::fail_at(Text& text) {
  cache_.abandon(text.cache);
  text.tokens.clear();
  text.failed = true;
  ++failures_;
}

// The logits behind the last scheduled token of each entry.
Tensor DraftModel::forward(Context& ctx) {
  pass_.clear();
  rows_.clear();
  for (const Entry& entry : entries_) {
    CacheSequence& cache = entry.text->cache;
    pass_.add(cache, std::span<const int32_t>(entry.text->all)
                         .subspan(static_cast<size_t>(cache.length),
                                  static_cast<size_t>(entry.scheduled)));
    rows_.push_back(pass_.num_rows() - 1);
  }
  return logits_of_rows(ctx, decoder_, pass_.hidden(ctx, decoder_), rows_);
}

// Draws one more; false if that cannot be, as with a bias of a token that this model lacks.
bool DraftModel::guess(Entry& entry, std::span<const float> logits) const {
  const TextOptions& options = entry.answer->options->text;
  int64_t candidates = std::min(std::ssize(logits), vocab_size_);
  if (options.num_candidates > 0) candidates = std::min(candidates, options.num_candidates);
  try {
    const int32_t token =
        entry.text->sampler.sample({.logits = logits.first(static_cast<size_t>(candidates)),
                                    .position = std::ssize(entry.text->all),
                                    .history = entry.text->all,
                                    .prompt_length = entry.answer->prompt_size,
                                    .stop_tokens = options.stop_tokens});
    entry.answer->drafts.push_back(token);
    entry.text->all.push_back(token);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// One pass; afterwards only those are left that got another guess and want more.
void DraftModel::pass(Context& ctx) {
  int64_t left = step_tokens_;
  size_t taking_part = 0;
  for (Entry& entry : entries_) {
    if (schedule(ctx, entry, left)) entries_[taking_part++] = entry;
  }
  entries_.resize(taking_part);
  if (entries_.empty()) return;
  Tensor logits;
  try {
    logits = forward(ctx);
  } catch (const std::exception&) {
    for (const Entry& entry : entries_) fail_at(*entry.text);
    entries_.clear();
    return;
  }
  size_t kept = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    Text& text = *entry.text;
    text.tokens.assign(text.all.begin(), text.all.begin() + text.cache.length + entry.scheduled);
    cache_.commit(text.cache, text.tokens);
    if (text.tokens.size() < text.all.size()) continue;  // more in the next call
    const float* row = logits.data<float>() + static_cast<int64_t>(i) * logits.dim(1);
    if (!guess(entry, {row, static_cast<size_t>(logits.dim(1))})) {
      fail_at(text);
    } else if (--entry.most > 0) {
      entries_[kept++] = entry;
    }
  }
  entries_.resize(kept);
}

void DraftModel::draft(Context& ctx, std::span<const Wanted> answers) {
  const int64_t vocab_size = decoder_.spec().vocab_size;
  entries_.clear();
  for (const Wanted& wanted : answers) {
    const std::vector<int32_t>& tokens = wanted.answer->tokens;
    const bool known =
        std::ranges::all_of(tokens, [&](int32_t token) { return token < vocab_size; });
    if (!known || std::ssize(tokens) >= cache_.capacity()) continue;
    Text& text = text_of(*wanted.answer);
    if (text.failed) continue;
    go_back(text, tokens);
    text.all.assign(tokens.begin(), tokens.end());
    entries_.push_back({wanted.answer, &text, std::min(wanted.most, kMaxDrafts)});
  }
  while (!entries_.empty()) pass(ctx);
}

}  // namespace cadre::infer
