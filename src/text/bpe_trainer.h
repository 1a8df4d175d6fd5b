// Training of a byte-level BPE tokenizer.
//
// Words are GPT-2's. The vocabulary begins with the special tokens and the 256 bytes; then, again
// and again, the pair of neighbouring tokens that occurs most often in all words becomes a token
// (ties: the pair of lower ids), until the vocabulary is full or no pair occurs min_frequency
// times. The result is that of BpeTrainer of the `tokenizers` library with a ByteLevel
// pre-tokenizer and alphabet on the same text. Sennrich et al., arXiv:1508.07909.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/fields.h"
#include "core/base/thread_pool.h"
#include "text/tokenizer.h"

namespace cadre::text {

struct BpeTrainerOptions {
  int64_t vocab_size = 8192;  // specials and bytes included
  int64_t min_frequency = 2;
  std::vector<std::string> special_tokens = {"<|endoftext|>", "<|padding|>"};  // take the first ids

  void visit_fields(auto&& field) {
    field("vocab_size", vocab_size, Interval{257, 1 << 24}, "tokens, specials and bytes included");
    field("min_frequency", min_frequency, Interval{1, 1e15}, "occurrences a merge must have");
    field("special_tokens", special_tokens, "control tokens; they take the first ids");
  }
};

// The next document, or nothing at the end; the view is read before the next call.
using DocumentSource = std::function<std::optional<std::string_view>()>;

struct BpeTrainerProgress {
  enum class Phase { reading, merging } phase;
  int64_t done;   // bytes read, or tokens in the vocabulary
  int64_t total;  // 0 while reading, whose end is not known; else vocab_size
};
using BpeTrainerProgressFn = std::function<void(const BpeTrainerProgress&)>;

// Trains on all documents. Deterministic: the result depends on the counts of words only, not on
// the order of documents or the number of threads. Memory is that of the distinct words. progress,
// if given, is called on the calling thread, some hundred times in all. Throws
// Error(invalid_input) if vocab_size has no room for the specials and bytes, or a special token is
// empty, not UTF-8, or given twice.
Tokenizer train_bpe(const DocumentSource& next_document, const BpeTrainerOptions& options,
                    ThreadPool& pool, const BpeTrainerProgressFn& progress = {});

}  // namespace cadre::text
