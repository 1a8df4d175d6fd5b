// A grammar for the tokens of one tokenizer, and a text under it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/grammar.h"
#include "text/grammar/parse_front.h"
#include "text/tokenizer.h"

namespace cadre::text {

namespace grammar {
class TokenTrie;
}

// The tokens of a tokenizer as grammars see them, which all grammars for it can share: making it
// takes some 10 ms for 100,000 tokens. Immutable and cheap to copy; threads may share it.
class GrammarVocabulary {
 public:
  explicit GrammarVocabulary(Tokenizer tokenizer);
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const grammar::TokenTrie& trie() const { return *trie_; }

 private:
  Tokenizer tokenizer_;
  std::shared_ptr<const grammar::TokenTrie> trie_;
};

// Immutable but for what it remembers, cheap to copy (copies share everything); threads may share
// it. A token is its Tokenizer::token_bytes; special tokens are never allowed.
class CompiledGrammar {
 public:
  // Throws as grammar::make_pushdown (text/grammar/pushdown.h).
  CompiledGrammar(const Grammar& grammar, GrammarVocabulary vocabulary);
  CompiledGrammar(const Grammar& grammar, const Tokenizer& tokenizer)
      : CompiledGrammar(grammar, GrammarVocabulary(tokenizer)) {}

  int64_t vocab_size() const;
  // Words of a mask: (vocab_size + 63) / 64.
  size_t mask_words() const { return (static_cast<size_t>(vocab_size()) + 63) / 64; }
  const Tokenizer& tokenizer() const;

 private:
  friend class GrammarState;
  struct Data;
  std::shared_ptr<Data> data_;
};

// A text that grows. Copies are independent and cost as much as their memory, some hundred bytes to
// a few kilobytes. Belongs to one thread. Every call may throw Error(exhausted) where a grammar is
// too ambiguous to be followed.
class GrammarState {
 public:
  explicit GrammarState(CompiledGrammar grammar);

  // Sets bit i % 64 of word i / 64 for each token i that may come next, and clears all others;
  // words beyond the vocabulary are cleared. Exact: a token is allowed if and only if the text with
  // it is the beginning of a text of the grammar.
  void mask(std::span<uint64_t> bits) const;
  // The token has come. False if it is not allowed; the text is as it was then.
  bool accept(int32_t token);
  // The same for bytes, which count as one token for rollback.
  bool accept_bytes(std::string_view bytes);
  // Whether the text is complete, and whether nothing can follow it.
  bool can_stop() const { return front_.bottom; }
  bool must_stop() const { return front_.places.empty(); }
  // Takes back the last `count` tokens. Throws Error(invalid_input) for more than were accepted or
  // are remembered (kMaxRollback).
  void rollback(int64_t count);
  static constexpr int64_t kMaxRollback = 256;

  // The bytes that have to come next, whatever else: at most `limit`; empty where there is a
  // choice.
  std::string forced_bytes(size_t limit = 256);

 private:
  CompiledGrammar grammar_;
  grammar::FrontStepper stepper_;
  grammar::FrameTable frames_;
  grammar::Front front_;
  grammar::Front next_;                  // reused
  std::vector<grammar::Front> history_;  // before each of the last tokens
};

}  // namespace cadre::text
