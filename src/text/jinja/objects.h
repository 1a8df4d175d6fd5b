// Things with attributes: loops, namespaces, macros, functions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/interpreter.h"

namespace cadre::text::jinja {

// `loop` inside {% for %}.
class Loop : public Object, public std::enable_shared_from_this<Loop> {
 public:
  explicit Loop(std::vector<Value> items);
  bool advance() { return static_cast<size_t>(++index_) < items_.size(); }
  const Value& current() const { return items_[static_cast<size_t>(index_)]; }
  size_t size() const { return items_.size(); }

  std::optional<Value> attribute(Budget& budget, std::string_view name) override;
  std::string repr(Budget& budget) const override;
  int depth() const override { return depth_; }
  void release() override { last_changed_ = {}; }

 private:
  std::vector<Value> items_;
  int64_t index_ = -1;
  int depth_;
  Value last_changed_;
  bool changed_before_ = false;
};

// namespace(): what a template may change from inside a loop.
class Namespace : public Object {
 public:
  std::optional<Value> attribute(Budget& budget, std::string_view name) override;
  // Throws Fault for names that begin with an underscore.
  void set(const std::string& name, Value value);
  std::string repr(Budget& budget) const override;
  void release() override { values_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> values_;
  mutable bool in_repr_ = false;
};

// {% macro %}, or the body of {% call %}.
class Macro : public Object {
 public:
  Macro(const Node& node, std::shared_ptr<Scope> scope) : node_(node), scope_(std::move(scope)) {}
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments& arguments) override;
  std::optional<Value> attribute(Budget& budget, std::string_view name) override;
  std::string repr(Budget& budget) const override;
  void release() override { scope_.reset(); }

 private:
  const Node& node_;
  std::shared_ptr<Scope> scope_;
};

// A function of ours, or a method with the value that it belongs to.
class Function : public Object {
 public:
  using Body = std::function<Value(Interpreter&, Arguments&)>;
  // `depth` is that of what the body holds.
  Function(std::string name, Body body, int depth = 0)
      : name_(std::move(name)), body_(std::move(body)), depth_(depth + 1) {}
  static Value make(std::string name, Body body, int depth = 0) {
    return std::shared_ptr<Object>(
        std::make_shared<Function>(std::move(name), std::move(body), depth));
  }

  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments& arguments) override {
    return body_(interpreter, arguments);
  }
  std::string repr(Budget&) const override { return "<function " + name_ + ">"; }
  int depth() const override { return depth_; }

 private:
  std::string name_;
  Body body_;
  int depth_;
};

}  // namespace cadre::text::jinja
