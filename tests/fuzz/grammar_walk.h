// A random text under a grammar: what targets that read grammars do with those that are accepted.
#pragma once

#include <bit>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"
#include "text/grammar/compiled_grammar.h"

namespace cadre::fuzz {

// Small, so that a thousand grammars take a second.
inline constexpr text::grammar::GrammarLimits kGrammarLimits = {.max_bytes = 1 << 14,
                                                                .max_rules = 500,
                                                                .max_expressions = 10'000,
                                                                .max_repeat = 100,
                                                                .max_states = 20'000,
                                                                .max_dfa_states = 1'000,
                                                                .max_work = 400'000};

// Some tokens of JSON, of letters, and of characters that take several bytes.
inline const text::Tokenizer& grammar_tokenizer() {
  static const text::Tokenizer tokenizer = text::Tokenizer::from_json(
      R"({"model": {"type": "BPE", "byte_fallback": true, "unk_token": "a", "merges": [], "vocab": {
        "a": 0, "b": 1, "ab": 2, "{\"": 3, "\":": 4, "\"": 5, "}": 6, "1": 7, "23": 8, ",": 9, "[": 10,
        "]": 11, "null": 12, "<0xC3>": 13, "<0xA9>": 14, "true": 15, "-": 16, "0.5": 17, ":": 18,
        " ": 19, "\n": 20, "e": 21, "x": 22, "\\": 23, "\u00e9\u20ac": 24, "{": 25}},
        "decoder": {"type": "ByteFallback"}})",
      "tokens");
  return tokenizer;
}

// Every mask has to agree with what is accepted, and a text that is not complete has to go on with
// some byte.
inline void walk_grammar(const text::Grammar& grammar) {
  const text::Tokenizer& tokenizer = grammar_tokenizer();
  const text::CompiledGrammar compiled(grammar, tokenizer);
  text::GrammarState state(compiled);
  RandomStream random(1);
  std::vector<uint64_t> mask(compiled.mask_words());
  for (int step = 0; step < 12; ++step) {
    state.mask(mask);
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      const bool may = (mask[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0;
      text::GrammarState other = state;
      if (other.accept(id) != may) fail(ErrorKind::internal, "the mask is wrong at token {}", id);
      if (may) allowed.push_back(id);
    }
    if (state.must_stop() && !state.can_stop()) fail(ErrorKind::internal, "a text has no end");
    if (allowed.empty()) return;
    state.accept(allowed[random.below(allowed.size())]);
  }
}

}  // namespace cadre::fuzz
