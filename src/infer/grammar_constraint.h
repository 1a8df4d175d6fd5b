// Texts that obey a grammar.
#pragma once

#include <memory>
#include <vector>

#include "infer/constraint.h"
#include "text/grammar/compiled_grammar.h"

namespace cadre::infer {

// Tokens as the grammar allows them; the stop tokens where a text may end, and only there.
class GrammarConstraint : public Constraint {
 public:
  GrammarConstraint(text::CompiledGrammar grammar, std::vector<int32_t> stop_tokens);

  std::unique_ptr<ConstraintState> begin() const override;

 private:
  text::CompiledGrammar grammar_;
  std::vector<int32_t> stop_tokens_;
};

}  // namespace cadre::infer
