// SentencePieceStep: the normaliser of SentencePiece.
#include "text/normalizer.h"
#include "text/sentencepiece_model.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

struct Prefix {
  std::string_view content;
  size_t consumed;
};

// What the first few characters of the text become.
Prefix normalized_prefix(const SentencePieceStep& step, std::string_view text) {
  if (step.user_defined != nullptr) {
    int32_t id = -1;
    if (const size_t size = step.user_defined->longest_prefix(text, id); size > 0) {
      return {text.substr(0, size), size};
    }
  }
  if (step.map != nullptr) {
    if (const CharsMap::Match match = step.map->longest(text); match.length > 0) {
      return {match.content, match.length};
    }
  }
  const auto size = static_cast<size_t>(decode_at(text, 0).size);
  return {text.substr(0, size), size};
}

void append_escaped(std::string_view text, bool escape, std::string& out) {
  if (!escape) {
    out += text;
    return;
  }
  while (!text.empty()) {
    const size_t space = std::min(text.find(' '), text.size());
    out += text.substr(0, space);
    if (space == text.size()) return;
    out += kSpaceMark;
    text.remove_prefix(space + 1);
  }
}

}  // namespace

void append_sentencepiece(const SentencePieceStep& step, std::string_view text, bool at_start,
                          std::string& out, size_t most) {
  const std::string_view space = step.escape_whitespaces ? kSpaceMark : " ";
  if (step.remove_extra_whitespaces) {
    while (!text.empty()) {
      const Prefix prefix = normalized_prefix(step, text);
      if (prefix.content != " ") break;
      text.remove_prefix(prefix.consumed);
    }
  }
  if (text.empty()) return;
  const size_t begin = out.size();
  if (step.add_dummy_prefix && (at_start || step.prefix_every_stretch)) out += space;
  if (step.user_defined == nullptr && step.map == nullptr && !step.remove_extra_whitespaces) {
    append_escaped(text, step.escape_whitespaces, out);
    return;
  }
  bool after_space = step.remove_extra_whitespaces;
  while (!text.empty()) {
    Prefix prefix = normalized_prefix(step, text);
    text.remove_prefix(prefix.consumed);
    while (after_space && prefix.content.starts_with(' ')) prefix.content.remove_prefix(1);
    if (prefix.content.empty()) continue;
    append_escaped(prefix.content, step.escape_whitespaces, out);
    after_space = step.remove_extra_whitespaces && prefix.content.ends_with(' ');
    if (out.size() > most) return;
  }
  if (step.remove_extra_whitespaces) {
    while (out.size() > begin && out.ends_with(space)) out.erase(out.size() - space.size());
  }
}

}  // namespace cadre::text
