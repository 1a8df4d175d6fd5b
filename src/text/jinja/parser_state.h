// The parser's own class; its sources are parse_expression.cc, parse_postfix.cc and
// parse_statement.cc.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace cadre::text::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, const Limits& limits)
      : tokens_(std::move(tokens)), limits_(limits) {}

  NodePtr parse_template();

 private:
  // --- tokens
  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool is_symbol(std::string_view text) const {
    return current().kind == TokenKind::symbol && current().text == text;
  }
  bool is_name(std::string_view text) const {
    return current().kind == TokenKind::name && current().text == text;
  }
  bool skip_symbol(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_symbol(std::string_view text);
  void expect_name(std::string_view text);
  std::string expect_any_name();
  void expect(TokenKind kind, std::string_view what);
  [[noreturn]] void fault(std::string message, ErrorKind kind = ErrorKind::corrupt_data) const;
  [[noreturn]] void unexpected() const;

  // --- nodes
  NodePtr make(NodeKind kind, int line) const;
  // Takes part in the node's depth, which is bounded.
  void add(Node& node, NodePtr child) const;
  template <typename... Children>
  NodePtr make_with(NodeKind kind, int line, Children... children) const {
    NodePtr node = make(kind, line);
    (add(*node, std::move(children)), ...);
    return node;
  }
  // Counts how deep the parser is inside itself, for as long as it lives.
  class Nesting {
   public:
    explicit Nesting(Parser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Parser& parser_;
  };

  // --- expressions (parse_expression.cc)
  struct TupleRules {
    bool conditions = true;         // "a if b" may stand in it
    bool only_primaries = false;    // a target
    bool namespaces = false;        // "ns.x" is a target
    bool in_parentheses = false;    // so it may be empty
    std::string_view ends_at = {};  // a name that ends it
  };
  NodePtr parse_tuple(const TupleRules& rules);
  NodePtr parse_expression(bool conditions = true);
  NodePtr parse_condition();
  NodePtr parse_or();
  NodePtr parse_and();
  NodePtr parse_not();
  NodePtr parse_compare();
  NodePtr parse_sum();
  NodePtr parse_concat();
  NodePtr parse_product();
  NodePtr parse_power();
  NodePtr parse_unary(bool with_filters);
  NodePtr parse_primary(bool namespaces = false);
  NodePtr parse_list();
  NodePtr parse_dict();
  NodePtr parse_number();

  // --- what follows an expression (parse_postfix.cc)
  NodePtr parse_postfix(NodePtr node);
  NodePtr parse_filters_and_tests(NodePtr node);
  NodePtr parse_subscript(NodePtr node);
  NodePtr parse_subscribed(NodePtr object, int line);
  NodePtr parse_call(NodePtr callee);
  NodePtr parse_filters(NodePtr node, bool starts_with_name);
  NodePtr parse_test(NodePtr node);
  void parse_arguments(Node& node);
  std::string parse_dotted_name();

  // --- statements (parse_statement.cc)
  // Up to one of the end tags, whose name is then the current token.
  NodePtr parse_body(std::initializer_list<std::string_view> ends);
  NodePtr parse_block_body(std::initializer_list<std::string_view> ends);
  // The same, and past its only end tag's name.
  NodePtr parse_body_to(std::string_view end);
  NodePtr parse_statement();
  NodePtr parse_if();
  NodePtr parse_for();
  NodePtr parse_set();
  NodePtr parse_with();
  NodePtr parse_macro();
  NodePtr parse_call_block();
  NodePtr parse_filter_block();
  NodePtr parse_print();
  NodePtr parse_target(bool namespaces, std::string_view ends_at = {});
  void check_target(const Node& node) const;
  void parse_signature(Signature& signature, Node& node);
  // Parses what a macro or caller holds, noting which of the special names it speaks of.
  NodePtr parse_macro_body(Signature& signature, std::string_view end);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  const Limits& limits_;
  int nesting_ = 0;
  int loops_ = 0;
  std::vector<Signature*> signatures_;  // of the macros around
};

}  // namespace cadre::text::jinja
