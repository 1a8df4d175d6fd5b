// Writes tokenizer.model, the ModelProto of protocol buffers that SentencePiece reads.
#pragma once

#include <string>

#include "text/sentencepiece_model.h"

namespace cadre::text {

// The bytes of the file: pieces, the kind of model, ids of roles and the rules of normalisation.
// What training used is left out. read_sentencepiece_model gives the model back.
std::string sentencepiece_bytes(const SentencePieceModel& model);

}  // namespace cadre::text
