// What Interpreter's sources share.
#pragma once

#include <utility>

#include "text/jinja/interpreter.h"

namespace cadre::text::jinja {

// One evaluation inside another, for as long as it lives; they may not be too many.
class Interpreter::Depth {
 public:
  Depth(Interpreter& interpreter, const Node& node) : interpreter_(interpreter) {
    interpreter.budget_.steps();
    interpreter.line_ = node.line;
    if (interpreter.depth_ >= interpreter.budget_.limits().max_calls) {
      throw Fault{ErrorKind::exhausted, fmt::format("more than {} evaluations are nested",
                                                    interpreter.budget_.limits().max_calls)};
    }
    ++interpreter.depth_;
  }
  ~Depth() { --interpreter_.depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Interpreter& interpreter_;
};

// Another current scope, for as long as it lives.
class Interpreter::ScopeChange {
 public:
  ScopeChange(Interpreter& interpreter, std::shared_ptr<Scope> parent)
      : interpreter_(interpreter),
        before_(std::exchange(interpreter.scope_, std::make_shared<Scope>())) {
    interpreter.scope_->parent = std::move(parent);
  }
  explicit ScopeChange(Interpreter& interpreter) : ScopeChange(interpreter, interpreter.scope_) {}
  ~ScopeChange() { interpreter_.scope_ = std::move(before_); }
  ScopeChange(const ScopeChange&) = delete;
  ScopeChange& operator=(const ScopeChange&) = delete;

 private:
  Interpreter& interpreter_;
  std::shared_ptr<Scope> before_;
};

}  // namespace cadre::text::jinja
