#include "text/grammar/compiled_grammar.h"

#include <algorithm>

#include "core/base/error.h"
#include "text/grammar/mask_cache.h"
#include "text/grammar/pushdown.h"
#include "text/grammar/token_trie.h"

namespace cadre::text {

struct CompiledGrammar::Data {
  Data(const Grammar& grammar, GrammarVocabulary given)
      : vocabulary(std::move(given)),
        pushdown(grammar::make_pushdown(grammar.data())),
        masks(pushdown, vocabulary.trie()) {}

  GrammarVocabulary vocabulary;
  grammar::Pushdown pushdown;
  grammar::MaskCache masks;
};

GrammarVocabulary::GrammarVocabulary(Tokenizer tokenizer)
    : tokenizer_(std::move(tokenizer)),
      trie_(std::make_shared<const grammar::TokenTrie>(tokenizer_)) {}

CompiledGrammar::CompiledGrammar(const Grammar& grammar, GrammarVocabulary vocabulary)
    : data_(std::make_shared<Data>(grammar, std::move(vocabulary))) {}

int64_t CompiledGrammar::vocab_size() const { return data_->vocabulary.trie().vocab_size(); }
const Tokenizer& CompiledGrammar::tokenizer() const { return data_->vocabulary.tokenizer(); }

GrammarState::GrammarState(CompiledGrammar grammar)
    : grammar_(std::move(grammar)), stepper_(grammar_.data_->pushdown) {
  stepper_.enter(grammar_.data_->pushdown.start, grammar::FrameTable::kBottom, frames_, front_);
}

void GrammarState::mask(std::span<uint64_t> bits) const {
  CADRE_CHECK(bits.size() >= grammar_.mask_words());
  std::ranges::fill(bits, uint64_t{0});
  grammar_.data_->masks.add_masks(front_.places, frames_, bits);
}

bool GrammarState::accept(int32_t token) {
  const Tokenizer& tokenizer = grammar_.tokenizer();
  return !tokenizer.is_special(token) && accept_bytes(tokenizer.token_bytes(token));
}

bool GrammarState::accept_bytes(std::string_view bytes) {
  if (bytes.empty()) return false;
  grammar::Front before = front_;
  for (const char byte : bytes) {
    stepper_.step(front_, static_cast<uint8_t>(byte), frames_, next_);
    std::swap(front_, next_);
    if (front_.dead()) {
      front_ = std::move(before);
      return false;
    }
  }
  if (static_cast<int64_t>(history_.size()) >= 2 * kMaxRollback) {
    history_.erase(history_.begin(), history_.end() - kMaxRollback + 1);
  }
  history_.push_back(std::move(before));
  return true;
}

void GrammarState::rollback(int64_t count) {
  if (count < 0 || count > static_cast<int64_t>(history_.size())) {
    fail(ErrorKind::invalid_input, "grammar: {} tokens to take back, expected at most {}", count,
         history_.size());
  }
  if (count == 0) return;
  front_ = history_[history_.size() - static_cast<size_t>(count)];
  history_.resize(history_.size() - static_cast<size_t>(count));
}

std::string GrammarState::forced_bytes(size_t limit) {
  std::string forced;
  grammar::Front front = front_;
  while (forced.size() < limit && !front.bottom) {
    int only = -1;
    for (const grammar::Place& place : front.places) {
      for (const auto& edge : grammar_.data_->pushdown.bytes_of(place.node)) {
        if (edge.low != edge.high || (only >= 0 && only != edge.low)) return forced;
        only = edge.low;
      }
    }
    if (only < 0) break;
    stepper_.step(front, static_cast<uint8_t>(only), frames_, next_);
    std::swap(front, next_);
    forced += static_cast<char>(only);
  }
  return forced;
}

}  // namespace cadre::text
