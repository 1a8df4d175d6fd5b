// str.split and its relatives.
#include <algorithm>

#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

using Parts = std::vector<std::string_view>;

size_t skip_spaces(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint point = decode_at(text, at);
    if (!is_space(point.value)) break;
    at += static_cast<size_t>(point.size);
  }
  return at;
}

size_t find_space(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint point = decode_at(text, at);
    if (is_space(point.value)) break;
    at += static_cast<size_t>(point.size);
  }
  return at;
}

Parts split_words(std::string_view text, int64_t most) {
  Parts parts;
  for (size_t at = skip_spaces(text, 0); at < text.size();) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.push_back(strip(text.substr(at), Side::right));
      break;
    }
    const size_t end = find_space(text, at);
    parts.push_back(text.substr(at, end - at));
    at = skip_spaces(text, end);
  }
  return parts;
}

Parts rsplit_words(std::string_view text, int64_t most) {
  Parts parts;
  text = strip(text, Side::right);
  while (!text.empty()) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.push_back(strip(text, Side::left));
      break;
    }
    size_t begin = text.size();
    while (begin > 0) {
      const size_t before = previous_boundary(text, begin);
      if (is_space(decode_at(text, before).value)) break;
      begin = before;
    }
    parts.push_back(text.substr(begin));
    text = strip(text.substr(0, begin), Side::right);
  }
  std::ranges::reverse(parts);
  return parts;
}

bool is_line_end(char32_t value) {
  return (value >= '\n' && value <= '\r') || (value >= 0x1c && value <= 0x1e) || value == 0x85 ||
         value == 0x2028 || value == 0x2029;
}

}  // namespace

Parts split(std::string_view text, std::optional<std::string_view> separator, int64_t most) {
  if (!separator) return split_words(text, most);
  Parts parts;
  size_t at = 0;
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    const size_t found = text.find(*separator, at);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(at, found - at));
    at = found + separator->size();
  }
  parts.push_back(text.substr(at));
  return parts;
}

Parts rsplit(std::string_view text, std::optional<std::string_view> separator, int64_t most) {
  if (!separator) return rsplit_words(text, most);
  Parts parts;
  while ((most < 0 || static_cast<int64_t>(parts.size()) < most) &&
         text.size() >= separator->size()) {
    const size_t found = text.rfind(*separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(found + separator->size()));
    text = text.substr(0, found);
  }
  parts.push_back(text);
  std::ranges::reverse(parts);
  return parts;
}

Parts split_lines(std::string_view text, bool keep_ends) {
  Parts lines;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_at(text, at);
    size_t next = at + static_cast<size_t>(point.size);
    if (is_line_end(point.value)) {
      if (point.value == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back(text.substr(start, (keep_ends ? next : at) - start));
      start = next;
    }
    at = next;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

}  // namespace cadre::text::jinja
