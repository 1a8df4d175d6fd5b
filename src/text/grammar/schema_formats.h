// `format` of JSON schema as regular expressions.
#pragma once

#include <string>
#include <string_view>

namespace cadre::text::grammar {

// An expression for the whole string, a subset of what the format allows; empty for a format that
// is not known: date, time, date-time and duration (RFC 3339), uuid, ipv4, ipv6, email, hostname,
// uri, uri-reference, json-pointer.
std::string format_pattern(std::string_view format);
// "date, time, ...", for messages.
std::string format_names();

}  // namespace cadre::text::grammar
