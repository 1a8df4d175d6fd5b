// What stands behind a value: attributes, items, calls, filters, tests.
#include <algorithm>

#include "text/jinja/parser_state.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {

NodePtr Parser::parse_postfix(NodePtr node) {
  for (;;) {
    if (is_symbol(".") || is_symbol("[")) {
      node = parse_subscript(std::move(node));
    } else if (is_symbol("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

NodePtr Parser::parse_filters_and_tests(NodePtr node) {
  for (;;) {
    if (is_symbol("|")) {
      node = parse_filters(std::move(node), false);
    } else if (is_name("is")) {
      node = parse_test(std::move(node));
    } else if (is_symbol("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

NodePtr Parser::parse_subscript(NodePtr object) {
  const Token token = next();
  if (token.text == ".") {
    const Token name = next();
    if (name.kind == TokenKind::name) {
      NodePtr node = make_with(NodeKind::attribute, token.line, std::move(object));
      node->text = name.text;
      return node;
    }
    const auto index = name.kind == TokenKind::integer ? parse_integer(name.text, 0) : std::nullopt;
    if (!index) fault("expected name or number");
    NodePtr key = make(NodeKind::constant, name.line);
    key->value = *index;
    return make_with(NodeKind::item, token.line, std::move(object), std::move(key));
  }
  NodePtr node = parse_subscribed(std::move(object), token.line);
  expect_symbol("]");
  return node;
}

// Behind "[": a key, several of them as a tuple, or a slice.
NodePtr Parser::parse_subscribed(NodePtr object, int line) {
  if (is_symbol("]")) {
    return make_with(NodeKind::item, line, std::move(object), make(NodeKind::tuple, line));
  }
  NodePtr start;
  if (!is_symbol(":")) start = parse_expression();
  if (!skip_symbol(":")) {
    if (!is_symbol(","))
      return make_with(NodeKind::item, line, std::move(object), std::move(start));
    NodePtr key = make_with(NodeKind::tuple, line, std::move(start));
    while (skip_symbol(",")) add(*key, parse_expression());
    return make_with(NodeKind::item, line, std::move(object), std::move(key));
  }
  NodePtr stop;
  NodePtr step;
  if (!is_symbol(":") && !is_symbol("]")) stop = parse_expression();
  if (skip_symbol(":") && !is_symbol("]")) step = parse_expression();
  if (is_symbol(",")) fault("several slices in one subscript", ErrorKind::unsupported);
  return make_with(NodeKind::slice, line, std::move(object), std::move(start), std::move(stop),
                   std::move(step));
}

void Parser::parse_arguments(Node& node) {
  const auto refuse = [&](bool bad) {
    if (bad) fault("invalid syntax for function call expression");
  };
  node.arguments = std::make_unique<ArgumentList>();
  ArgumentList& list = *node.arguments;
  const auto argument = [&] {
    NodePtr value = parse_expression();
    node.depth = std::max(node.depth, value->depth + 1);
    return value;
  };
  expect_symbol("(");
  bool first = true;
  while (!is_symbol(")")) {
    if (!first) {
      expect_symbol(",");
      if (is_symbol(")")) break;
    }
    first = false;
    if (skip_symbol("*")) {
      refuse(list.star || list.double_star);
      list.star = argument();
    } else if (skip_symbol("**")) {
      refuse(list.double_star != nullptr);
      list.double_star = argument();
    } else if (current().kind == TokenKind::name && ahead().kind == TokenKind::symbol &&
               ahead().text == "=") {
      refuse(list.double_star != nullptr);
      std::string name = next().text;
      next();
      for (const auto& named : list.named) refuse(named.first == name);
      list.named.emplace_back(std::move(name), argument());
    } else {
      refuse(list.star || list.double_star || !list.named.empty());
      list.positional.push_back(argument());
    }
  }
  expect_symbol(")");
}

NodePtr Parser::parse_call(NodePtr callee) {
  NodePtr node = make_with(NodeKind::call, current().line, std::move(callee));
  parse_arguments(*node);
  return node;
}

std::string Parser::parse_dotted_name() {
  std::string name = expect_any_name();
  while (skip_symbol(".")) {
    name += '.';
    name += expect_any_name();
  }
  return name;
}

NodePtr Parser::parse_filters(NodePtr node, bool starts_with_name) {
  while (is_symbol("|") || starts_with_name) {
    if (!starts_with_name) next();
    starts_with_name = false;
    NodePtr filter = make_with(NodeKind::filter, current().line, std::move(node));
    filter->text = parse_dotted_name();
    if (is_symbol("(")) parse_arguments(*filter);
    node = std::move(filter);
  }
  return node;
}

NodePtr Parser::parse_test(NodePtr operand) {
  const int line = next().line;
  const bool negate = skip_name("not");
  NodePtr test = make_with(NodeKind::test, line, std::move(operand));
  test->text = parse_dotted_name();
  const TokenKind kind = current().kind;
  if (is_symbol("(")) {
    parse_arguments(*test);
  } else if ((kind == TokenKind::name || kind == TokenKind::string || kind == TokenKind::integer ||
              kind == TokenKind::floating || is_symbol("[") || is_symbol("{")) &&
             !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fault("You cannot chain multiple tests with is");
    test->arguments = std::make_unique<ArgumentList>();
    NodePtr argument = parse_postfix(parse_primary());
    test->depth = std::max(test->depth, argument->depth + 1);
    test->arguments->positional.push_back(std::move(argument));
  }
  if (!negate) return test;
  NodePtr node = make_with(NodeKind::unary, line, std::move(test));
  node->text = "not";
  return node;
}

}  // namespace cadre::text::jinja
