#include <algorithm>

#include "text/jinja/attributes.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/interpreter_scope.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"

namespace cadre::text::jinja {

Interpreter::Interpreter(const Limits& limits, std::function<std::tm()> now)
    : budget_(limits), now_(std::move(now)), scope_(std::make_shared<Scope>()) {}

Interpreter::~Interpreter() {
  // Macros hold the scopes that hold them. Each is emptied while all of them are still held, so
  // none takes a long chain of others with it.
  scope_->names.clear();
  for (const std::shared_ptr<Object>& object : owned_) object->release();
}

void Interpreter::own(std::shared_ptr<Object> object) {
  budget_.items(1);
  owned_.push_back(std::move(object));
}

std::string Interpreter::render(const Node& body) {
  output_.clear();
  generations_.clear();
  run(body);
  return std::move(output_);
}

Interpreter::Flow Interpreter::run(const Node& node) {
  const Depth depth(*this, node);
  switch (node.kind) {
    case NodeKind::body:
      return run_body(node);
    case NodeKind::output:
      if (node.children.empty()) {
        write(node.text);
      } else {
        write(to_text(budget_, evaluate(*node.children[0])));
      }
      return Flow::normal;
    case NodeKind::if_else:
      return run_if(node);
    case NodeKind::for_loop:
      return run_for(node);
    case NodeKind::with:
      return run_with(node);
    case NodeKind::set:
      run_set(node);
      return Flow::normal;
    case NodeKind::set_block:
      run_set_block(node);
      return Flow::normal;
    case NodeKind::macro:
      define_macro(node);
      return Flow::normal;
    case NodeKind::call_block:
      run_call_block(node);
      return Flow::normal;
    case NodeKind::filter_block:
      run_filter_block(node);
      return Flow::normal;
    case NodeKind::generation:
      run_generation(node);
      return Flow::normal;
    case NodeKind::break_loop:
      return Flow::break_loop;
    case NodeKind::continue_loop:
      return Flow::continue_loop;
    default:
      break;
  }
  raise("this is no statement");
}

Interpreter::Flow Interpreter::run_body(const Node& node) {
  for (const NodePtr& child : node.children) {
    const Flow flow = run(*child);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_if(const Node& node) {
  size_t i = 0;
  for (; i + 1 < node.children.size(); i += 2) {
    if (evaluate(*node.children[i]).truth()) return run(*node.children[i + 1]);
  }
  return i < node.children.size() ? run(*node.children[i]) : Flow::normal;
}

std::vector<Value> Interpreter::selected(const Node& node, std::vector<Value> items) {
  if (!node.children[2]) return items;
  std::vector<Value> kept;
  for (Value& item : items) {
    const ScopeChange inner(*this);
    assign(*node.children[0], item);
    if (evaluate(*node.children[2]).truth()) kept.push_back(std::move(item));
  }
  return kept;
}

Interpreter::Flow Interpreter::run_for(const Node& node) {
  const Value sequence = evaluate(*node.children[1]);
  const auto loop = std::make_shared<Loop>(selected(node, iterate(budget_, sequence)));
  bool completed = false;
  while (loop->advance()) {
    budget_.steps();
    const ScopeChange inner(*this);
    define("loop", std::shared_ptr<Object>(loop));
    assign(*node.children[0], loop->current());
    const Flow flow = run(*node.children[3]);
    if (flow == Flow::break_loop) break;
    completed = completed || flow == Flow::normal;
  }
  // In Jinja an iteration counts for this once it has come to its end.
  if (!completed && node.children[4]) {
    const ScopeChange inner(*this);
    return run(*node.children[4]);
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_with(const Node& node) {
  std::vector<Value> values;
  for (size_t i = 1; i < node.children.size(); i += 2)
    values.push_back(evaluate(*node.children[i]));
  const ScopeChange inner(*this);
  for (size_t i = 0; i < values.size(); ++i) assign(*node.children[2 * i], values[i]);
  return run(*node.children.back());
}

void Interpreter::run_set(const Node& node) {
  assign(*node.children[0], evaluate(*node.children[1]));
}

Value Interpreter::run_filters(const Node& filter_node, Value operand) {
  // Filters of a block stand like those of an expression, with nothing at the bottom.
  if (filter_node.children[0]) operand = run_filters(*filter_node.children[0], std::move(operand));
  const Arguments arguments = evaluate_arguments(filter_node);
  return filter(filter_node.text, operand, arguments);
}

void Interpreter::run_set_block(const Node& node) {
  Value text = captured(*node.children[2]);
  if (node.children[1]) text = run_filters(*node.children[1], std::move(text));
  assign(*node.children[0], text);
}

void Interpreter::run_filter_block(const Node& node) {
  write(to_text(budget_, run_filters(*node.children[0], captured(*node.children[1]))));
}

void Interpreter::define_macro(const Node& node) {
  auto macro = std::make_shared<Macro>(node, scope_);
  own(macro);
  define(node.text, std::shared_ptr<Object>(std::move(macro)));
}

void Interpreter::run_call_block(const Node& node) {
  const Node& call_node = *node.children[0];
  const Value callee = evaluate(*call_node.children[0]);
  Arguments arguments = evaluate_arguments(call_node);
  auto caller = std::make_shared<Macro>(node, scope_);
  own(caller);
  // Behind the arguments that are named and before those of **values.
  const auto place = static_cast<std::ptrdiff_t>(call_node.arguments->named.size());
  arguments.named.emplace(arguments.named.begin() + place, "caller",
                          std::shared_ptr<Object>(std::move(caller)));
  write(to_text(budget_, call(callee, arguments)));
}

void Interpreter::run_generation(const Node& node) {
  const std::string text = captured(*node.children[0]);
  // Inside a macro or a block that is captured, the place is that of the output so far, as in
  // transformers.
  generations_.push_back({output_.size(), output_.size() + text.size()});
  write(text);
}

std::string Interpreter::captured(const Node& body) {
  const ScopeChange inner(*this);
  std::string text;
  std::string* const before = std::exchange(out_, &text);
  try {
    run(body);
  } catch (...) {
    out_ = before;
    throw;
  }
  out_ = before;
  return text;
}

Value Interpreter::call_macro(const Node& macro, const std::shared_ptr<Scope>& scope,
                              Arguments& arguments) {
  const Signature& signature = *macro.signature;
  const std::string_view name =
      macro.kind == NodeKind::macro ? std::string_view(macro.text) : "caller";
  const size_t count = signature.names.size();
  const ScopeChange inner(*this, scope);
  bool names_caller = false;
  for (size_t i = 0; i < count; ++i) {
    const std::string& parameter = signature.names[i];
    std::optional<Value> value;
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else {
      value = arguments.take(parameter);
    }
    names_caller = names_caller || parameter == "caller";
    if (!value) {
      const size_t first_default = count - signature.defaults.size();
      value = i >= first_default
                  ? evaluate(*signature.defaults[i - first_default])
                  : Value::undefined(fmt::format("parameter '{}' was not provided", parameter));
    }
    define(parameter, *value);
  }
  if (signature.takes_caller && !names_caller) {
    define("caller", arguments.take("caller").value_or(Value::undefined("No caller defined")));
  }
  if (signature.takes_kwargs) {
    auto rest = std::make_shared<Dict>();
    for (auto& [key, value] : arguments.named) rest->set(budget_, key, std::move(value));
    define("kwargs", Shared<Dict>(std::move(rest)));
  } else if (!arguments.named.empty()) {
    raise("macro '{}' takes no keyword argument '{}'", name, arguments.named.front().first);
  }
  if (signature.takes_varargs) {
    const size_t used = std::min(count, arguments.positional.size());
    define("varargs",
           Value::tuple(budget_, {arguments.positional.begin() + static_cast<std::ptrdiff_t>(used),
                                  arguments.positional.end()}));
  } else if (arguments.positional.size() > count) {
    raise("macro '{}' takes not more than {} argument(s)", name, count);
  }
  return captured(*macro.children.back());
}

void Interpreter::assign(const Node& target, const Value& value) {
  if (target.kind == NodeKind::name) {
    define(target.text, value);
    return;
  }
  if (target.kind == NodeKind::namespace_item) {
    Value holder;
    for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
      const auto found = scope->names.find(target.text);
      if (found == scope->names.end()) continue;
      holder = found->second;
      break;
    }
    auto* space = dynamic_cast<Namespace*>(holder.object());
    if (space == nullptr) raise("cannot assign attribute on non-namespace object");
    space->set(target.detail, value);
    return;
  }
  const std::vector<Value> items = iterate(budget_, value);
  if (items.size() != target.children.size()) {
    raise("{} values to unpack, expected {}", items.size(), target.children.size());
  }
  for (size_t i = 0; i < items.size(); ++i) assign(*target.children[i], items[i]);
}

void Interpreter::write(std::string_view text) {
  const auto size = static_cast<int64_t>(out_->size() + text.size());
  if (size > budget_.limits().max_string) budget_.string(size);
  budget_.string(static_cast<int64_t>(text.size()));
  out_->append(text);
}

}  // namespace cadre::text::jinja
