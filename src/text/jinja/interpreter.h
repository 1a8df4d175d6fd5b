// Runs a parsed template.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja/arguments.h"
#include "text/jinja/ast.h"

namespace cadre::text::jinja {

// Names and what they stand for; a name that is not here is looked for in the scope around.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::unordered_map<std::string, Value> names;
};

// A piece of the output in bytes, [begin, end).
struct Span {
  size_t begin;
  size_t end;
  bool operator==(const Span&) const = default;
};

// One rendering. For one thread; the tree must outlive it.
class Interpreter {
 public:
  Interpreter(const Limits& limits, std::function<std::tm()> now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Budget& budget() { return budget_; }
  std::tm now() const { return now_(); }
  // The line that is being evaluated, for messages.
  int line() const { return line_; }

  // Defines a variable for the template.
  void define(const std::string& name, Value value) { scope_->names[name] = std::move(value); }
  // Throws Fault.
  std::string render(const Node& body);
  // What stood between {% generation %} and its end, in order.
  const std::vector<Span>& generations() const { return generations_; }

  // --- for filters, tests, functions and objects
  Value call(const Value& callee, Arguments& arguments);
  Value filter(std::string_view name, const Value& operand, const Arguments& arguments);
  bool test(std::string_view name, const Value& operand, const Arguments& arguments);
  Value call_macro(const Node& macro, const std::shared_ptr<Scope>& scope, Arguments& arguments);
  // Keeps an object that may hold itself until the end, and empties it then.
  void own(std::shared_ptr<Object> object);

 private:
  enum class Flow { normal, break_loop, continue_loop };
  class Depth;
  class ScopeChange;

  // execute.cc
  Flow run(const Node& node);
  Flow run_body(const Node& node);
  Flow run_if(const Node& node);
  Flow run_for(const Node& node);
  Flow run_with(const Node& node);
  void run_set(const Node& node);
  void run_set_block(const Node& node);
  void run_filter_block(const Node& node);
  void run_call_block(const Node& node);
  void run_generation(const Node& node);
  void define_macro(const Node& node);
  void assign(const Node& target, const Value& value);
  void write(std::string_view text);
  // What the body writes, in a scope of its own.
  std::string captured(const Node& body);
  Value run_filters(const Node& filter, Value operand);
  std::vector<Value> selected(const Node& node, std::vector<Value> items);

  // evaluate.cc
  Value evaluate(const Node& node);
  Value evaluate_name(const Node& node);
  std::vector<Value> evaluate_all(const Node& node);
  Value evaluate_dict(const Node& node);
  Value evaluate_unary(const Node& node);
  Value evaluate_concat(const Node& node);
  Value evaluate_compare(const Node& node);
  Value evaluate_condition(const Node& node);
  Value evaluate_slice(const Node& node);
  Value evaluate_call(const Node& node);
  Value evaluate_filter(const Node& node);
  Arguments evaluate_arguments(const Node& node);

  Budget budget_;
  std::function<std::tm()> now_;
  std::shared_ptr<Scope> scope_;
  std::string output_;
  std::string* out_ = &output_;
  std::vector<Span> generations_;
  std::vector<std::shared_ptr<Object>> owned_;
  int depth_ = 0;
  int line_ = 1;
};

}  // namespace cadre::text::jinja
