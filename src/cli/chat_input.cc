#include "cli/chat_input.h"

#include <string_view>

namespace cadre::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

std::string read_quoted(std::string text, const LineSource& next_line) {
  // `text` is the first line behind its quotes.
  for (;;) {
    if (text.ends_with(kQuotes)) {
      text.resize(text.size() - kQuotes.size());
      if (text.ends_with('\n')) text.pop_back();
      return text;
    }
    const auto line = next_line(false);
    if (!line) return text;
    if (!text.empty()) text += '\n';
    text += *line;
  }
}

}  // namespace

std::optional<std::string> read_message(const LineSource& next_line) {
  std::optional<std::string> line = next_line(true);
  if (!line) return std::nullopt;
  if (line->starts_with(kQuotes)) return read_quoted(line->substr(kQuotes.size()), next_line);
  std::string text = std::move(*line);
  while (text.ends_with('\\')) {
    text.back() = '\n';
    line = next_line(false);
    if (!line) {
      text.pop_back();
      break;
    }
    text += *line;
  }
  return text;
}

}  // namespace cadre::cli
