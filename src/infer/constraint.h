// What restricts the tokens of a text beside the model: a grammar, a schema.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace cadre::infer {

// One text under a constraint: which tokens may come next. Belongs to one thread.
class ConstraintState {
 public:
  virtual ~ConstraintState() = default;

  // Bit i % 64 of word i / 64: token i may come next. Tokens that end the text have their bit where
  // the text may end. Valid until the next call of this object.
  virtual std::span<const uint64_t> allowed() = 0;
  // The token has come. Throws Error(invalid_input) for one that was not allowed.
  virtual void accept(int32_t token) = 0;
  // Whether the text is complete as it is, and whether nothing can follow it.
  virtual bool may_end() = 0;
  virtual bool must_end() = 0;
  // Takes back the last `count` accepted tokens, as speculation does with those that were refused;
  // up to kMaxRollback of them.
  virtual void rollback(int64_t count) = 0;
  virtual std::unique_ptr<ConstraintState> clone() const = 0;

  static constexpr int64_t kMaxRollback = 256;
};

// What all texts under one constraint share. Immutable; threads may share it.
class Constraint {
 public:
  virtual ~Constraint() = default;
  // A text before its first token.
  virtual std::unique_ptr<ConstraintState> begin() const = 0;
};

}  // namespace cadre::infer
