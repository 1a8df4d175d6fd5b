#include "infer/grammar_constraint.h"

#include <algorithm>

#include "core/base/error.h"

namespace cadre::infer {
namespace {

static_assert(text::GrammarState::kMaxRollback >= ConstraintState::kMaxRollback);

class State : public ConstraintState {
 public:
  State(text::CompiledGrammar grammar, std::vector<int32_t> stop_tokens)
      : state_(grammar), stop_tokens_(std::move(stop_tokens)) {
    size_t words = grammar.mask_words();
    for (const int32_t token : stop_tokens_) {
      words = std::max(words, static_cast<size_t>(token) / 64 + 1);
    }
    mask_.resize(words);
  }

  std::span<const uint64_t> allowed() override {
    if (known_) return mask_;
    state_.mask(mask_);
    for (const int32_t token : stop_tokens_) {
      const uint64_t bit = uint64_t{1} << (token % 64);
      uint64_t& word = mask_[static_cast<size_t>(token) / 64];
      word = state_.can_stop() ? word | bit : word & ~bit;
    }
    known_ = true;
    return mask_;
  }

  void accept(int32_t token) override {
    known_ = false;
    if (!state_.accept(token)) {
      fail(ErrorKind::invalid_input, "the grammar does not allow the token {} here", token);
    }
  }

  bool may_end() override { return state_.can_stop(); }
  bool must_end() override { return state_.must_stop(); }

  void rollback(int64_t count) override {
    known_ = false;
    state_.rollback(count);
  }

  std::unique_ptr<ConstraintState> clone() const override { return std::make_unique<State>(*this); }

 private:
  text::GrammarState state_;
  std::vector<int32_t> stop_tokens_;
  std::vector<uint64_t> mask_;
  bool known_ = false;  // mask_ is that of the text as it is
};

}  // namespace

GrammarConstraint::GrammarConstraint(text::CompiledGrammar grammar,
                                     std::vector<int32_t> stop_tokens)
    : grammar_(std::move(grammar)), stop_tokens_(std::move(stop_tokens)) {
  std::erase_if(stop_tokens_, [](int32_t token) { return token < 0; });
}

std::unique_ptr<ConstraintState> GrammarConstraint::begin() const {
  return std::make_unique<State>(grammar_, stop_tokens_);
}

}  // namespace cadre::infer
