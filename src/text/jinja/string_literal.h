// The inside of a string literal, with its escapes.
#pragma once

#include <string>
#include <string_view>

namespace cadre::text::jinja {

// As Python decodes the escapes \n, \x41, \u00e9, \U0001f600, \101 and so on; unknown ones keep
// their backslash. Surrogates, which UTF-8 cannot hold, become U+FFFD. False for escapes that end
// too early.
bool unescape_literal(std::string_view text, std::string& out);

}  // namespace cadre::text::jinja
