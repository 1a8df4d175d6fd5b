#include <algorithm>
#include <array>

#include "text/jinja/parser_state.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {

NodePtr Parser::parse_tuple(const TupleRules& rules) {
  const Nesting nesting(*this);
  const int line = current().line;
  const auto at_end = [&] {
    return current().kind == TokenKind::variable_end || current().kind == TokenKind::block_end ||
           is_symbol(")") || (!rules.ends_at.empty() && is_name(rules.ends_at));
  };
  std::vector<NodePtr> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) expect_symbol(",");
    if (at_end()) break;
    items.push_back(rules.only_primaries ? parse_primary(rules.namespaces)
                                         : parse_expression(rules.conditions));
    if (!is_symbol(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!rules.in_parentheses) unexpected();
  }
  NodePtr node = make(NodeKind::tuple, line);
  for (NodePtr& item : items) add(*node, std::move(item));
  return node;
}

NodePtr Parser::parse_expression(bool conditions) {
  const Nesting nesting(*this);
  return conditions ? parse_condition() : parse_or();
}

NodePtr Parser::parse_condition() {
  const Nesting nesting(*this);
  int line = current().line;
  NodePtr value = parse_or();
  while (skip_name("if")) {
    NodePtr test = parse_or();
    NodePtr otherwise;
    if (skip_name("else")) otherwise = parse_condition();
    value = make_with(NodeKind::condition, line, std::move(test), std::move(value),
                      std::move(otherwise));
    line = current().line;
  }
  return value;
}

NodePtr Parser::parse_or() {
  const int line = current().line;
  NodePtr left = parse_and();
  while (skip_name("or")) {
    left = make_with(NodeKind::logical_or, line, std::move(left), parse_and());
  }
  return left;
}

NodePtr Parser::parse_and() {
  const int line = current().line;
  NodePtr left = parse_not();
  while (skip_name("and")) {
    left = make_with(NodeKind::logical_and, line, std::move(left), parse_not());
  }
  return left;
}

NodePtr Parser::parse_not() {
  if (!is_name("not")) return parse_compare();
  const Nesting nesting(*this);
  const int line = next().line;
  NodePtr node = make_with(NodeKind::unary, line, parse_not());
  node->text = "not";
  return node;
}

NodePtr Parser::parse_compare() {
  static constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  const int line = current().line;
  NodePtr first = parse_sum();
  NodePtr node;
  for (;;) {
    std::string op;
    if (current().kind == TokenKind::symbol &&
        std::ranges::find(kOperators, current().text) != kOperators.end()) {
      op = next().text;
    } else if (skip_name("in")) {
      op = "in";
    } else if (is_name("not") && ahead().kind == TokenKind::name && ahead().text == "in") {
      next();
      next();
      op = "not in";
    } else {
      break;
    }
    if (!node) node = make_with(NodeKind::compare, line, std::move(first));
    node->operators.push_back(std::move(op));
    add(*node, parse_sum());
  }
  return node ? std::move(node) : std::move(first);
}

NodePtr Parser::parse_sum() {
  const int line = current().line;
  NodePtr left = parse_concat();
  while (is_symbol("+") || is_symbol("-")) {
    const Binary op = next().text == "+" ? Binary::add : Binary::subtract;
    left = make_with(NodeKind::binary, line, std::move(left), parse_concat());
    left->op = op;
  }
  return left;
}

NodePtr Parser::parse_concat() {
  const int line = current().line;
  NodePtr first = parse_product();
  if (!is_symbol("~")) return first;
  NodePtr node = make_with(NodeKind::concat, line, std::move(first));
  while (skip_symbol("~")) add(*node, parse_product());
  return node;
}

NodePtr Parser::parse_product() {
  const int line = current().line;
  NodePtr left = parse_power();
  for (;;) {
    Binary op = Binary::multiply;
    if (is_symbol("/")) {
      op = Binary::divide;
    } else if (is_symbol("//")) {
      op = Binary::floor_divide;
    } else if (is_symbol("%")) {
      op = Binary::modulo;
    } else if (!is_symbol("*")) {
      return left;
    }
    next();
    left = make_with(NodeKind::binary, line, std::move(left), parse_power());
    left->op = op;
  }
}

NodePtr Parser::parse_power() {
  const int line = current().line;
  NodePtr left = parse_unary(true);
  while (skip_symbol("**")) {
    left = make_with(NodeKind::binary, line, std::move(left), parse_unary(true));
    left->op = Binary::power;
  }
  return left;
}

NodePtr Parser::parse_unary(bool with_filters) {
  const Nesting nesting(*this);
  const int line = current().line;
  NodePtr node;
  if (is_symbol("-") || is_symbol("+")) {
    const std::string sign = next().text;
    node = make_with(NodeKind::unary, line, parse_unary(false));
    node->text = sign;
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filters ? parse_filters_and_tests(std::move(node)) : std::move(node);
}

NodePtr Parser::parse_primary(bool namespaces) {
  const Token token = current();
  if (token.kind == TokenKind::integer || token.kind == TokenKind::floating) return parse_number();
  if (token.kind == TokenKind::string) {
    std::string text;
    while (current().kind == TokenKind::string) text += next().text;
    NodePtr node = make(NodeKind::constant, token.line);
    node->value = std::move(text);
    return node;
  }
  if (token.kind == TokenKind::name) {
    next();
    NodePtr node = make(NodeKind::constant, token.line);
    if (token.text == "true" || token.text == "True") {
      node->value = true;
    } else if (token.text == "false" || token.text == "False") {
      node->value = false;
    } else if (token.text == "none" || token.text == "None") {
      node->value = None{};
    } else if (namespaces && is_symbol(".")) {
      next();
      node->kind = NodeKind::namespace_item;
      node->text = token.text;
      node->detail = expect_any_name();
    } else {
      node->kind = NodeKind::name;
      node->text = token.text;
      for (Signature* signature : signatures_) {
        if (token.text == "varargs") signature->takes_varargs = true;
        if (token.text == "kwargs") signature->takes_kwargs = true;
        if (token.text == "caller") signature->takes_caller = true;
      }
    }
    return node;
  }
  if (is_symbol("(")) {
    next();
    NodePtr node = parse_tuple({.in_parentheses = true});
    expect_symbol(")");
    return node;
  }
  if (is_symbol("[")) return parse_list();
  if (is_symbol("{")) return parse_dict();
  unexpected();
}

NodePtr Parser::parse_number() {
  const Token token = next();
  NodePtr node = make(NodeKind::constant, token.line);
  if (token.kind == TokenKind::integer) {
    const auto number = parse_integer(token.text, 0);
    if (!number) fault(fmt::format("{}: an integer does not fit 64 bits", token.text));
    node->value = *number;
  } else {
    const auto number = parse_float(token.text);
    if (!number) fault(fmt::format("{}: is no number", token.text));
    node->value = *number;
  }
  return node;
}

NodePtr Parser::parse_list() {
  NodePtr node = make(NodeKind::list, current().line);
  expect_symbol("[");
  while (!is_symbol("]")) {
    if (!node->children.empty()) expect_symbol(",");
    if (is_symbol("]")) break;
    add(*node, parse_expression());
  }
  expect_symbol("]");
  return node;
}

NodePtr Parser::parse_dict() {
  NodePtr node = make(NodeKind::dict, current().line);
  expect_symbol("{");
  while (!is_symbol("}")) {
    if (!node->children.empty()) expect_symbol(",");
    if (is_symbol("}")) break;
    add(*node, parse_expression());
    expect_symbol(":");
    add(*node, parse_expression());
  }
  expect_symbol("}");
  return node;
}

}  // namespace cadre::text::jinja
