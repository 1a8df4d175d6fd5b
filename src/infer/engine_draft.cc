// Guesses that the next pass checks.
#include <algorithm>

#include "infer/engine.h"
#include "infer/prompt_lookup.h"

namespace cadre::infer {

// What was read before comes first, for it costs nothing; then the draft model.
void Engine::make_drafts(Context& ctx) {
  wanted_drafts_.clear();
  if (draft_) draft_->keep_only(scheduler_.running());
  for (const std::unique_ptr<Answer>& each : scheduler_.running()) {
    Answer& answer = *each;
    if (!answer.decoding()) continue;
    answer.drafts.clear();
    // One token comes in any case.
    const int64_t room = std::min(answer.options->text.max_tokens - answer.num_new() - 1,
                                  max_length() - std::ssize(answer.tokens));
    if (room < 1) continue;
    if (lookup_ > 0) look_up(answer.tokens, std::min(room, lookup_), answer.drafts);
    if (draft_ && answer.drafts.empty()) {
      wanted_drafts_.push_back({&answer, std::min(room, draft_tokens_)});
    }
  }
  if (!wanted_drafts_.empty()) draft_->draft(ctx, wanted_drafts_);
}

}  // namespace cadre::infer
