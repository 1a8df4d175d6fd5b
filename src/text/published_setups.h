// Vocabularies whose files do not say all: what the scripts of a published model do to them.
#pragma once

#include <optional>

#include "text/sentencepiece_model.h"
#include "text/tokenizer_builder.h"

namespace cadre::text {

// The setup of a vocabulary that is known by its pieces; nothing for all others.
//
// Yuan 2.0-M32 (134953 pieces): <eod>, <n>, <sep> and <pad> are ordinary pieces that merges never
// make, and fifteen tokens follow the pieces; all of them are special. Nothing stands before or
// behind the text, although tokenizer_config.json says so.
std::optional<SentencePieceSetup> published_setup(const SentencePieceModel& model);

}  // namespace cadre::text
