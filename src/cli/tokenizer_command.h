// What other commands need of `cadre tokenizer`.
#pragma once

#include "core/base/thread_pool.h"
#include "data/documents.h"
#include "text/bpe_trainer.h"

namespace CLI {
class App;
}

namespace cadre::cli {

void setup_tokenizer_train(CLI::App& app);

// text::train_bpe on everything that the reader gives, with progress on the terminal. Throws
// Error(invalid_input) if there is no text.
text::Tokenizer train_tokenizer(data::DocumentReader& reader,
                                const text::BpeTrainerOptions& options, ThreadPool& pool);

}  // namespace cadre::cli
