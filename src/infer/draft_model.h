// A small model that guesses what a large one will write.
// Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", arXiv:2211.17192;
// Chen et al., arXiv:2302.01318. Here a guess stands if it is the very token that the large model's
// own sampler draws in its place, so texts are the same with guesses and without.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "infer/answer.h"
#include "infer/paged_cache.h"
#include "infer/pass.h"
#include "model/decoder.h"

namespace cadre::infer {

// Keeps a cache of its own for each answer. Guesses are drawn with the answer's own options, seed
// and positions: where both models agree on what is likely, the same random number mostly gives the
// same token. Belongs to one thread; the decoder must outlive it.
class DraftModel {
 public:
  // Guesses are below `vocab_size`, that of the model which checks them. `cache_tokens` in all, and
  // at most `step_tokens` in a pass.
  DraftModel(const model::Decoder& decoder, int64_t vocab_size, int64_t max_sequences,
             int64_t step_tokens, int64_t cache_tokens);

  // Gives each answer up to `most` guesses in its drafts. One that the draft model cannot follow
  // gets none: a token that it does not know, a text beyond its context, no page left. A long text
  // is read over several calls. An error ends the guesses, not the text: of one answer its own, of
  // a pass those of all in it.
  struct Wanted {
    Answer* answer;
    int64_t most;  // >= 1
  };
  void draft(Context& ctx, std::span<const Wanted> answers);
  // The answer is gone.
  void forget(const Answer& answer);
  // Forgets all but these: pages are for those that run.
  void keep_only(std::span<const std::unique_ptr<Answer>> running);
  // Texts at which the model has failed.
  int64_t failures() const { return failures_; }

 private:
  struct Text {
    CacheSequence cache;
    std::vector<int32_t> tokens;  // in the cache, guesses included
    std::vector<int32_t> all;     // in a call: the answer's tokens and the guesses
    Sampler sampler;
    bool failed = false;
  };
  // One answer in a call.
  struct Entry {
    Answer* answer;
    Text* text;
    int64_t most;
    int64_t scheduled = 0;  // tokens in the pass
  };

  Text& text_of(const Answer& answer);
  void go_back(Text& text, std::span<const int32_t> tokens);
  bool schedule(Context& ctx, Entry& entry, int64_t& left);
  void pass(Context& ctx);
  Tensor forward(Context& ctx);
  bool guess(Entry& entry, std::span<const float> logits) const;
  void fail_at(Text& text);

  const model::Decoder& decoder_;
  int64_t vocab_size_;
  int64_t step_tokens_;
  PagedCache cache_;
  Pass pass_;
  std::map<std::pair<int64_t, int64_t>, std::unique_ptr<Text>> texts_;  // [request, answer]
  int64_t failures_ = 0;
  // Kept for their memory.
  std::vector<Entry> entries_;  // of a call those that want another guess
  std::vector<int64_t> rows_;   // of the pass, the last of each entry
};

}  // namespace cadre::infer
