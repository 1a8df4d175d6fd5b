#include "infer/draft_model.h"

#include <algorithm>

namespace cadre::infer {

DraftModel::DraftModel(const model::Decoder& decoder, int64_t max_sequences, int64_t step_tokens,
                       int64_t cache_tokens)
    : decoder_(decoder),
      step_tokens_(step_tokens),
      cache_(decoder.spec(), decoder.parameters().compute(),
             {.num_tokens = cache_tokens,
              .max_sequences = max_sequences,
              .step_tokens = step_tokens,
              .share_prefixes = false,
              .rewind = kMaxDrafts}),
      step_(cache_) {}

DraftModel::Text& DraftModel::text_of(const Answer& answer) {
  std::unique_ptr<Text>& text = texts_[{answer.request, answer.index}];
  if (text == nullptr) {
    SamplerOptions options = answer.options->text.sampler;
    options.seed += answer.index;
    text = std::make_unique<Text>(Text{cache_.make_sequence(), {}, Sampler(options)});
  }
  return *text;
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
  const int64_t pending = std::ssize(entry.all) - std::ssize(entry.text->tokens);
  const int64_t count = cache_.extendable(
      entry.text->cache, std::min({pending, left, cache_.capacity() - entry.text->cache.length}));
  if (count < 1) return false;
  cache_.reserve(ctx, entry.text->cache, count);
  entry.scheduled = count;
  left -= count;
  return true;
}

// One pass; afterwards only those are left that got another guess and want more.
void DraftModel::pass(Context& ctx, std::vector<Entry*>& entries) {
  int64_t left = step_tokens_;
  std::erase_if(entries, [&](Entry* entry) { return !schedule(ctx, *entry, left); });
  if (entries.empty()) return;
  auto tokens = std::make_shared<std::vector<int32_t>>();
  auto positions = std::make_shared<std::vector<int32_t>>();
  step_.clear();
  for (Entry* entry : entries) {
    const int64_t begin = entry->text->cache.length;
    for (int64_t i = begin; i < begin + entry->scheduled; ++i) {
      tokens->push_back(entry->all[static_cast<size_t>(i)]);
      positions->push_back(static_cast<int32_t>(i));
    }
    step_.add(entry->text->cache, entry->scheduled);
  }
  nn::ForwardInput input;
  input.tokens = std::move(tokens);
  input.positions = std::move(positions);
  input.store = &step_;
  const Tensor hidden = decoder_.hidden(ctx, input, nullptr);
  const Tensor last = ctx.empty({std::ssize(entries), hidden.dim(1)}, hidden.dtype());
  int64_t row = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    row += entries[i]->scheduled;
    copy_row(hidden, row - 1, last, static_cast<int64_t>(i));
  }
  const Tensor logits = decoder_.logits(ctx, last);
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = *entries[i];
    Text& text = *entry.text;
    text.tokens.assign(entry.all.begin(), entry.all.begin() + text.cache.length + entry.scheduled);
    cache_.commit(text.cache, text.tokens);
    if (text.tokens.size() < entry.all.size()) continue;  // more in the next call
    const TextOptions& options = entry.answer->options->text;
    const int64_t candidates = options.num_candidates > 0
                                   ? std::min(options.num_candidates, logits.dim(1))
                                   : logits.dim(1);
    const float* scores = logits.data<float>() + static_cast<int64_t>(i) * logits.dim(1);
    const int32_t guess = text.sampler.sample({.logits = {scores, static_cast<size_t>(candidates)},
                                               .position = std::ssize(entry.all),
                                               .history = entry.all,
                                               .prompt_length = entry.answer->prompt_size,
                                               .stop_tokens = options.stop_tokens});
    entry.answer->drafts.push_back(guess);
    entry.all.push_back(guess);
    if (--entry.most > 0) entries[kept++] = &entry;
  }
  entries.resize(kept);
}

void DraftModel::draft(Context& ctx, std::span<const Wanted> answers) {
  const int64_t vocab_size = decoder_.spec().vocab_size;
  std::vector<Entry> entries;
  entries.reserve(answers.size());
  for (const Wanted& wanted : answers) {
    const std::vector<int32_t>& tokens = wanted.answer->tokens;
    const bool known =
        std::ranges::all_of(tokens, [&](int32_t token) { return token < vocab_size; });
    if (!known || std::ssize(tokens) >= cache_.capacity()) continue;
    Text& text = text_of(*wanted.answer);
    go_back(text, tokens);
    entries.push_back(
        {wanted.answer, &text, std::min(wanted.most, kMaxDrafts), wanted.answer->tokens});
  }
  std::vector<Entry*> taking_part;
  for (Entry& entry : entries) taking_part.push_back(&entry);
  while (!taking_part.empty()) pass(ctx, taking_part);
}

}  // namespace cadre::infer
