#include <algorithm>
#include <array>

#include "text/jinja/parser.h"
#include "text/jinja/parser_state.h"

namespace cadre::text::jinja {

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
  // A level of brackets passes here three times.
  if (++parser.nesting_ > 4 * parser.limits_.max_nesting) {
    --parser.nesting_;
    parser.fault(fmt::format("the template nests more than {} deep", parser.limits_.max_nesting),
                 ErrorKind::exhausted);
  }
}

bool Parser::skip_symbol(std::string_view text) {
  if (!is_symbol(text)) return false;
  next();
  return true;
}

bool Parser::skip_name(std::string_view text) {
  if (!is_name(text)) return false;
  next();
  return true;
}

void Parser::expect_symbol(std::string_view text) {
  if (!skip_symbol(text)) {
    fault(fmt::format("expected '{}', got '{}'", text, current().text.substr(0, 40)));
  }
}

void Parser::expect_name(std::string_view text) {
  if (!skip_name(text)) {
    fault(fmt::format("expected '{}', got '{}'", text, current().text.substr(0, 40)));
  }
}

std::string Parser::expect_any_name() {
  if (current().kind != TokenKind::name) {
    fault(fmt::format("expected a name, got '{}'", current().text.substr(0, 40)));
  }
  return next().text;
}

void Parser::expect(TokenKind kind, std::string_view what) {
  if (current().kind != kind) {
    fault(fmt::format("expected {}, got '{}'", what, current().text.substr(0, 40)));
  }
  next();
}

void Parser::fault(std::string message, ErrorKind kind) const {
  throw SyntaxFault{current().line, std::move(message), kind};
}

void Parser::unexpected() const {
  if (current().kind == TokenKind::end) fault("unexpected end of template");
  fault(fmt::format("unexpected '{}', expected an expression", current().text.substr(0, 40)));
}

NodePtr Parser::make(NodeKind kind, int line) const {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->line = line;
  return node;
}

void Parser::add(Node& node, NodePtr child) const {
  if (child) {
    node.depth = std::max(node.depth, child->depth + 1);
    if (node.depth > limits_.max_nesting) {
      fault(fmt::format("the template nests more than {} deep", limits_.max_nesting),
            ErrorKind::exhausted);
    }
  }
  node.children.push_back(std::move(child));
}

NodePtr Parser::parse_template() {
  NodePtr body = parse_body({});
  if (current().kind != TokenKind::end) unexpected();
  return body;
}

NodePtr Parser::parse_body(std::initializer_list<std::string_view> ends) {
  const Nesting nesting(*this);
  NodePtr body = make(NodeKind::body, current().line);
  for (;;) {
    const Token& token = current();
    if (token.kind == TokenKind::data) {
      NodePtr data = make(NodeKind::output, token.line);
      data->text = next().text;
      add(*body, std::move(data));
    } else if (token.kind == TokenKind::variable_begin) {
      const int line = next().line;
      add(*body, make_with(NodeKind::output, line, parse_tuple({})));
      expect(TokenKind::variable_end, "end of print statement");
    } else if (token.kind == TokenKind::block_begin) {
      next();
      const bool at_end =
          std::ranges::any_of(ends, [&](std::string_view end) { return is_name(end); });
      if (at_end) return body;
      add(*body, parse_statement());
      expect(TokenKind::block_end, "end of statement block");
    } else {
      if (ends.size() > 0) {
        fault(fmt::format("unexpected end of template, expected '{}'", *(ends.end() - 1)));
      }
      return body;
    }
  }
}

NodePtr Parser::parse_block_body(std::initializer_list<std::string_view> ends) {
  skip_symbol(":");
  expect(TokenKind::block_end, "end of statement block");
  return parse_body(ends);
}

NodePtr Parser::parse_body_to(std::string_view end) {
  NodePtr body = parse_block_body({end});
  next();
  return body;
}

NodePtr Parser::parse_statement() {
  const Token& token = current();
  if (token.kind != TokenKind::name) fault("tag name expected");
  const std::string name = token.text;
  if (name == "if") return parse_if();
  if (name == "for") return parse_for();
  if (name == "set") return parse_set();
  if (name == "with") return parse_with();
  if (name == "macro") return parse_macro();
  if (name == "call") return parse_call_block();
  if (name == "filter") return parse_filter_block();
  if (name == "print") return parse_print();
  if (name == "generation") {
    // A call block in transformers: a scope of its own, out of reach for break.
    const int line = next().line;
    Signature signature;
    return make_with(NodeKind::generation, line, parse_macro_body(signature, "endgeneration"));
  }
  if (name == "break" || name == "continue") {
    if (loops_ == 0) fault(fmt::format("'{}' outside of a loop", name));
    return make(name == "break" ? NodeKind::break_loop : NodeKind::continue_loop, next().line);
  }
  static constexpr std::array<std::string_view, 6> kUnsupported = {
      "extends", "include", "import", "from", "block", "autoescape"};
  if (std::ranges::find(kUnsupported, name) != kUnsupported.end()) {
    fault(fmt::format("the tag '{}' is not supported", name), ErrorKind::unsupported);
  }
  fault(fmt::format("encountered unknown tag '{}'", name));
}

NodePtr Parser::parse_if() {
  NodePtr node = make(NodeKind::if_else, next().line);
  for (;;) {
    add(*node, parse_tuple({.conditions = false}));
    add(*node, parse_block_body({"elif", "else", "endif"}));
    const std::string end = next().text;
    if (end == "elif") continue;
    if (end == "else") add(*node, parse_body_to("endif"));
    return node;
  }
}

NodePtr Parser::parse_for() {
  const int line = next().line;
  NodePtr target = parse_target(false, "in");
  expect_name("in");
  NodePtr sequence = parse_tuple({.conditions = false, .ends_at = "recursive"});
  NodePtr condition;
  if (skip_name("if")) condition = parse_expression();
  if (is_name("recursive")) {
    fault("recursive loops are not supported", ErrorKind::unsupported);
  }
  ++loops_;
  NodePtr body = parse_block_body({"endfor", "else"});
  --loops_;
  NodePtr otherwise;
  if (next().text == "else") otherwise = parse_body_to("endfor");
  return make_with(NodeKind::for_loop, line, std::move(target), std::move(sequence),
                   std::move(condition), std::move(body), std::move(otherwise));
}

NodePtr Parser::parse_set() {
  const int line = next().line;
  NodePtr target = parse_target(true);
  if (skip_symbol("=")) {
    return make_with(NodeKind::set, line, std::move(target), parse_tuple({}));
  }
  NodePtr filter = parse_filters(nullptr, false);
  NodePtr body = parse_body_to("endset");
  return make_with(NodeKind::set_block, line, std::move(target), std::move(filter),
                   std::move(body));
}

NodePtr Parser::parse_with() {
  NodePtr node = make(NodeKind::with, next().line);
  while (current().kind != TokenKind::block_end) {
    if (!node->children.empty()) expect_symbol(",");
    add(*node, parse_target(false));
    expect_symbol("=");
    add(*node, parse_expression());
  }
  add(*node, parse_body_to("endwith"));
  return node;
}

NodePtr Parser::parse_macro() {
  NodePtr node = make(NodeKind::macro, next().line);
  node->text = expect_any_name();
  node->signature = std::make_unique<Signature>();
  parse_signature(*node->signature, *node);
  add(*node, parse_macro_body(*node->signature, "endmacro"));
  return node;
}

NodePtr Parser::parse_call_block() {
  NodePtr node = make(NodeKind::call_block, next().line);
  node->signature = std::make_unique<Signature>();
  if (is_symbol("(")) parse_signature(*node->signature, *node);
  NodePtr call = parse_expression();
  if (call->kind != NodeKind::call) fault("expected call");
  add(*node, std::move(call));
  add(*node, parse_macro_body(*node->signature, "endcall"));
  return node;
}

NodePtr Parser::parse_filter_block() {
  const int line = next().line;
  NodePtr filter = parse_filters(nullptr, true);
  return make_with(NodeKind::filter_block, line, std::move(filter), parse_body_to("endfilter"));
}

NodePtr Parser::parse_print() {
  const int line = next().line;
  NodePtr body = make(NodeKind::body, line);
  while (current().kind != TokenKind::block_end) {
    if (!body->children.empty()) expect_symbol(",");
    add(*body, make_with(NodeKind::output, line, parse_expression()));
  }
  return body;
}

NodePtr Parser::parse_target(bool namespaces, std::string_view ends_at) {
  NodePtr target =
      parse_tuple({.only_primaries = true, .namespaces = namespaces, .ends_at = ends_at});
  check_target(*target);
  return target;
}

void Parser::check_target(const Node& node) const {
  if (node.kind == NodeKind::namespace_item || node.kind == NodeKind::name) return;
  if (node.kind != NodeKind::tuple) fault("can't assign to this expression");
  for (const NodePtr& child : node.children) check_target(*child);
}

void Parser::parse_signature(Signature& signature, Node& node) {
  expect_symbol("(");
  while (!is_symbol(")")) {
    if (!signature.names.empty()) expect_symbol(",");
    signature.names.push_back(expect_any_name());
    if (skip_symbol("=")) {
      signature.defaults.push_back(parse_expression());
      node.depth = std::max(node.depth, signature.defaults.back()->depth + 1);
    } else if (!signature.defaults.empty()) {
      fault("non-default argument follows default argument");
    }
  }
  expect_symbol(")");
}

NodePtr Parser::parse_macro_body(Signature& signature, std::string_view end) {
  const int loops_around = loops_;
  loops_ = 0;
  signatures_.push_back(&signature);
  NodePtr body = parse_body_to(end);
  signatures_.pop_back();
  loops_ = loops_around;
  return body;
}

NodePtr parse(std::string_view source, const Limits& limits) {
  if (source.size() > limits.max_template_bytes) {
    throw SyntaxFault{1,
                      fmt::format("the template has {} bytes, expected at most {}", source.size(),
                                  limits.max_template_bytes),
                      ErrorKind::exhausted};
  }
  return Parser(tokenize(source), limits).parse_template();
}

}  // namespace cadre::text::jinja
