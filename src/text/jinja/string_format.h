// str.format, and other ways to make longer text, each with its size checked first.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/arguments.h"

namespace cadre::text::jinja {

// "{0.name[key]!r:>8}".format(...), attributes and items as everywhere in a template.
std::string string_format(Budget& budget, std::string_view text, const Arguments& arguments);
std::string replace_checked(Budget& budget, std::string_view text, std::string_view from,
                            std::string_view to, int64_t most);
// Filled up to a width in characters: '<' text first, '>' text last, '^' in the middle.
std::string justify(Budget& budget, std::string_view text, int64_t width, char align,
                    std::string_view fill);

}  // namespace cadre::text::jinja
