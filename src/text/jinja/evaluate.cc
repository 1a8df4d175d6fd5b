#include "text/jinja/attributes.h"
#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/interpreter_scope.h"
#include "text/jinja/operators.h"

namespace cadre::text::jinja {

Value Interpreter::evaluate(const Node& node) {
  const Depth depth(*this, node);
  switch (node.kind) {
    case NodeKind::constant:
      return node.value;
    case NodeKind::name:
      return evaluate_name(node);
    case NodeKind::list:
      return Value::list(budget_, evaluate_all(node));
    case NodeKind::tuple:
      return Value::tuple(budget_, evaluate_all(node));
    case NodeKind::dict:
      return evaluate_dict(node);
    case NodeKind::unary:
      return evaluate_unary(node);
    case NodeKind::binary: {
      const Value left = evaluate(*node.children[0]);
      return apply(budget_, node.op, left, evaluate(*node.children[1]));
    }
    case NodeKind::concat:
      return evaluate_concat(node);
    case NodeKind::compare:
      return evaluate_compare(node);
    case NodeKind::logical_and: {
      const Value left = evaluate(*node.children[0]);
      return left.truth() ? evaluate(*node.children[1]) : left;
    }
    case NodeKind::logical_or: {
      const Value left = evaluate(*node.children[0]);
      return left.truth() ? left : evaluate(*node.children[1]);
    }
    case NodeKind::condition:
      return evaluate_condition(node);
    case NodeKind::attribute:
      return attribute_of(budget_, evaluate(*node.children[0]), node.text);
    case NodeKind::item: {
      const Value object = evaluate(*node.children[0]);
      return item_of(budget_, object, evaluate(*node.children[1]));
    }
    case NodeKind::slice:
      return evaluate_slice(node);
    case NodeKind::call:
      return evaluate_call(node);
    case NodeKind::filter:
      return evaluate_filter(node);
    case NodeKind::test: {
      const Value operand = evaluate(*node.children[0]);
      return test(node.text, operand, evaluate_arguments(node));
    }
    default:
      break;
  }
  raise("this is no expression");
}

Value Interpreter::evaluate_name(const Node& node) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    const auto found = scope->names.find(node.text);
    if (found != scope->names.end()) return found->second;
  }
  if (auto function = builtin_function(node.text)) return *function;
  return Value::undefined(fmt::format("'{}' is undefined", node.text));
}

std::vector<Value> Interpreter::evaluate_all(const Node& node) {
  std::vector<Value> values;
  values.reserve(node.children.size());
  for (const NodePtr& child : node.children) values.push_back(evaluate(*child));
  return values;
}

Value Interpreter::evaluate_dict(const Node& node) {
  auto dict = std::make_shared<Dict>();
  for (size_t i = 0; i < node.children.size(); i += 2) {
    Value key = evaluate(*node.children[i]);
    dict->set(budget_, std::move(key), evaluate(*node.children[i + 1]));
  }
  return Shared<Dict>(std::move(dict));
}

Value Interpreter::evaluate_unary(const Node& node) {
  const Value operand = evaluate(*node.children[0]);
  if (node.text == "not") return !operand.truth();
  return node.text == "-" ? negated(operand) : unchanged(operand);
}

Value Interpreter::evaluate_concat(const Node& node) {
  std::string text;
  for (const NodePtr& child : node.children) text += to_text(budget_, evaluate(*child));
  budget_.string(static_cast<int64_t>(text.size()));
  return text;
}

Value Interpreter::evaluate_compare(const Node& node) {
  Value left = evaluate(*node.children[0]);
  for (size_t i = 0; i < node.operators.size(); ++i) {
    Value right = evaluate(*node.children[i + 1]);
    const std::string& op = node.operators[i];
    const bool holds = op == "=="       ? equal(budget_, left, right)
                       : op == "!="     ? !equal(budget_, left, right)
                       : op == "in"     ? contains(budget_, right, left)
                       : op == "not in" ? !contains(budget_, right, left)
                                        : ordered(budget_, op, left, right);
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::evaluate_condition(const Node& node) {
  if (evaluate(*node.children[0]).truth()) return evaluate(*node.children[1]);
  if (node.children[2]) return evaluate(*node.children[2]);
  return Value::undefined(
      fmt::format("the inline if-expression in line {} was false and has no else", node.line));
}

Value Interpreter::evaluate_slice(const Node& node) {
  const Value object = evaluate(*node.children[0]);
  std::vector<Value> bounds;
  for (size_t i = 1; i < 4; ++i) {
    bounds.push_back(node.children[i] ? evaluate(*node.children[i]) : Value(None{}));
  }
  return slice(budget_, object, bounds[0], bounds[1], bounds[2]);
}

Arguments Interpreter::evaluate_arguments(const Node& node) {
  Arguments arguments;
  if (!node.arguments) return arguments;
  const ArgumentList& list = *node.arguments;
  for (const NodePtr& value : list.positional) arguments.positional.push_back(evaluate(*value));
  for (const auto& [name, value] : list.named) arguments.named.emplace_back(name, evaluate(*value));
  if (list.star) {
    for (Value& value : iterate(budget_, evaluate(*list.star))) {
      arguments.positional.push_back(std::move(value));
    }
  }
  if (list.double_star) {
    const Value more = evaluate(*list.double_star);
    if (!more.dict()) raise("argument after ** must be a mapping, not {}", more.type_name());
    for (const auto& [name, value] : more.dict()->entries()) {
      if (!name.string()) raise("keywords must be strings");
      for (const auto& named : arguments.named) {
        if (named.first == *name.string()) {
          raise("got multiple values for keyword argument '{}'", named.first);
        }
      }
      arguments.named.emplace_back(*name.string(), value);
    }
  }
  return arguments;
}

Value Interpreter::evaluate_call(const Node& node) {
  const Value callee = evaluate(*node.children[0]);
  Arguments arguments = evaluate_arguments(node);
  line_ = node.line;
  return call(callee, arguments);
}

Value Interpreter::call(const Value& callee, Arguments& arguments) {
  if (callee.is_undefined()) raise_undefined(callee);
  if (callee.object() == nullptr || !callee.object()->callable()) {
    raise("'{}' object is not callable", callee.type_name());
  }
  // Keeps the object alive while it runs.
  const Value held = callee;
  return held.object()->call(*this, arguments);
}

Value Interpreter::evaluate_filter(const Node& node) {
  const Value operand = evaluate(*node.children[0]);
  const Arguments arguments = evaluate_arguments(node);
  line_ = node.line;
  return filter(node.text, operand, arguments);
}

Value Interpreter::filter(std::string_view name, const Value& operand, const Arguments& arguments) {
  const Filter* found = find_filter(name);
  if (found == nullptr) {
    throw Fault{ErrorKind::unsupported, fmt::format("no filter named '{}'", name)};
  }
  budget_.steps();
  return found->apply(*this, operand, arguments);
}

bool Interpreter::test(std::string_view name, const Value& operand, const Arguments& arguments) {
  const Test* found = find_test(name);
  if (found == nullptr) {
    throw Fault{ErrorKind::unsupported, fmt::format("no test named '{}'", name)};
  }
  budget_.steps();
  return found->holds(*this, operand, arguments);
}

}  // namespace cadre::text::jinja
