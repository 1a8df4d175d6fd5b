// A parsed template.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/operators.h"
#include "text/jinja/value.h"

namespace cadre::text::jinja {

struct Node;
using NodePtr = std::unique_ptr<Node>;

enum class NodeKind : uint8_t {
  // expressions; what stands where among the children
  constant,     // value
  name,         // text
  list,         // items
  tuple,        // items
  dict,         // key, value, key, value ...
  unary,        // text "-", "+" or "not"; operand
  binary,       // op; left, right
  concat,       // operands of ~
  compare,      // first, then one for each of operators
  logical_and,  // left, right
  logical_or,   // left, right
  condition,    // test, then, else (may be null)
  attribute,    // text; object
  item,         // object, key
  slice,        // object, start, stop, step (each but the first may be null)
  call,         // callee; arguments
  filter,       // text; operand (null inside a filter block); arguments
  test,         // text; operand; arguments
  // statements
  output,        // data in text, or one expression
  body,          // statements
  if_else,       // test, body, test, body, ..., with a last body if their number is odd
  for_loop,      // target, sequence, condition (may be null), body, else (may be null)
  set,           // target, expression
  set_block,     // target, filter (may be null), body
  with,          // target, expression, ..., body
  macro,         // text its name; signature; body
  call_block,    // signature of the caller; call expression, body
  filter_block,  // filter, body
  generation,    // body
  break_loop,
  continue_loop,
  // targets besides name and tuple
  namespace_item,  // text the namespace, detail the attribute
};

// The arguments of a call: children of a node are its operands first, then these.
struct ArgumentList {
  std::vector<NodePtr> positional;
  std::vector<std::pair<std::string, NodePtr>> named;
  NodePtr star;         // *values
  NodePtr double_star;  // **values
};

// The parameters of a macro or of a caller; defaults belong to the last of the names.
struct Signature {
  std::vector<std::string> names;
  std::vector<NodePtr> defaults;
  bool takes_varargs = false;  // the body speaks of varargs, kwargs or caller
  bool takes_kwargs = false;
  bool takes_caller = false;
};

struct Node {
  NodeKind kind;
  int line = 0;
  int depth = 1;
  Binary op = Binary::add;
  Value value;
  std::string text;
  std::string detail;
  std::vector<std::string> operators;  // of a comparison: == != < <= > >= in, "not in"
  std::vector<NodePtr> children;
  std::unique_ptr<ArgumentList> arguments;
  std::unique_ptr<Signature> signature;
};

}  // namespace cadre::text::jinja
