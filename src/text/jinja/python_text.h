// What Python's str does, on valid UTF-8: positions and lengths count code points.
//
// Cases follow Unicode's one-to-one mappings, with U+00DF and the final sigma as Python has them;
// the few other characters whose upper case is several (U+FB01 to "FI") stay as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cadre::text::jinja {

int64_t length_of(std::string_view text);
// The byte where code point `index` starts; text.size() for all beyond the end.
size_t offset_of(std::string_view text, int64_t index);
// The characters, each a string of its own.
std::vector<std::string_view> characters(std::string_view text);
std::string reversed(std::string_view text);

bool is_space(char32_t value);  // str.isspace, and \s of Python's re

enum class Side { left, right, both };
// Without `drop` white space goes, otherwise any of its characters.
std::string_view strip(std::string_view text, Side side,
                       std::optional<std::string_view> drop = std::nullopt);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);  // str.title
std::string swapcase(std::string_view text);
bool is_upper(std::string_view text);
bool is_lower(std::string_view text);
bool is_title(std::string_view text);
bool is_alphabetic(char32_t value);  // str.isalpha and friends, of one character
bool is_decimal(char32_t value);
bool is_numeric(char32_t value);
bool is_printable(char32_t value);

// str.split and str.rsplit; `most` < 0 for no limit, no separator for white space.
std::vector<std::string_view> split(std::string_view text,
                                    std::optional<std::string_view> separator, int64_t most);
std::vector<std::string_view> rsplit(std::string_view text,
                                     std::optional<std::string_view> separator, int64_t most);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

// How often `part` can be replaced, at most `most` times if that is not negative; and the result.
int64_t count_of(std::string_view text, std::string_view part, int64_t most = -1);
std::string replace(std::string_view text, std::string_view from, std::string_view to,
                    int64_t most);

std::string text_repr(std::string_view text);
std::string float_repr(double value);
// int(text, base) and float(text); nothing for what Python refuses, or beyond 64 bits.
std::optional<int64_t> parse_integer(std::string_view text, int64_t base);
std::optional<double> parse_float(std::string_view text);

}  // namespace cadre::text::jinja
