// Tokens to a tree.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace cadre::text::jinja {

// The statements of a template, as a node of kind `body`. Throws SyntaxFault: for what Jinja would
// not accept, of kind corrupt_data; for what it would and Cadre does not have (template
// inheritance, inclusion, recursive loops), of kind unsupported; for a template beyond the limits,
// of kind exhausted.
NodePtr parse(std::string_view source, const Limits& limits);

}  // namespace cadre::text::jinja
