#include "text/normalizer.h"

#include "core/base/error.h"
#include "text/char_classes.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

// Both stop once `out` has more than `most` bytes.
void append_replaced(const ReplaceStep& step, std::string_view text, size_t most,
                     std::string& out) {
  size_t done = 0;
  for (size_t at = text.find(step.literal); at != std::string_view::npos && out.size() <= most;
       at = text.find(step.literal, done)) {
    out += text.substr(done, at - done);
    out += step.content;
    done = at + step.literal.size();
  }
  out += text.substr(done);
}

void append_matches_replaced(const ReplaceStep& step, std::string_view text, size_t most,
                             RegexScratch& regex, std::string& out) {
  size_t done = 0;
  Regex::Iterator matches(*step.pattern, text, regex);
  for (Regex::Match match{}; out.size() <= most && matches.next(match); done = match.end) {
    out += text.substr(done, match.begin - done);
    out += step.content;
  }
  out += text.substr(done);
}

std::string_view stripped(const StripStep& step, std::string_view text) {
  while (step.left && !text.empty()) {
    const CodePoint c = decode_at(text, 0);
    if (!is_white_space(c.value)) break;
    text.remove_prefix(c.size);
  }
  while (step.right && !text.empty()) {
    const size_t last = previous_boundary(text, text.size());
    if (!is_white_space(decode_at(text, last).value)) break;
    text = text.substr(0, last);
  }
  return text;
}

bool nmt_leaves_out(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f ||
         c == 0x9f;
}

bool nmt_is_space(char32_t c) {
  return c == 0x9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 ||
         (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
         c == 0xfffd;
}

template <typename Visit>
void for_each_character(std::string_view text, const Visit& visit) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_at(text, at);
    visit(c.value, text.substr(at, c.size));
    at += c.size;
  }
}

// One step: gives the text back if there is nothing to do, else `out`.
struct Application {
  std::string_view text;
  bool at_start;
  size_t most;  // bytes that may come out
  std::string& out;
  std::optional<RegexScratch>& regex;

  std::string_view operator()(NormalForm form) const {
    if (is_normal(text, form)) return text;
    append_normal(text, form, out);
    return out;
  }
  std::string_view operator()(const PrependStep& step) const {
    if (text.empty()) return text;
    out += step.text;
    out += text;
    return out;
  }
  std::string_view operator()(const ReplaceStep& step) const {
    if (step.pattern) {
      if (!regex) regex.emplace();
      append_matches_replaced(step, text, most, *regex, out);
      return out;
    }
    if (step.literal.empty() || text.find(step.literal) == std::string_view::npos) return text;
    append_replaced(step, text, most, out);
    return out;
  }
  std::string_view operator()(const LowercaseStep&) const {
    append_lower(text, out);
    return out;
  }
  std::string_view operator()(const StripAccentsStep&) const {
    for_each_character(text, [&](char32_t c, std::string_view bytes) {
      if (!is_mark(c)) out += bytes;
    });
    return out;
  }
  std::string_view operator()(const NmtStep&) const {
    for_each_character(text, [&](char32_t c, std::string_view bytes) {
      if (!nmt_leaves_out(c)) out += nmt_is_space(c) ? " " : bytes;
    });
    return out;
  }
  std::string_view operator()(const StripStep& step) const { return stripped(step, text); }
  std::string_view operator()(const CharsMapStep& step) const {
    step.map->rewrite_graphemes(text, out, most);
    return out;
  }
  std::string_view operator()(const SentencePieceStep& step) const {
    append_sentencepiece(step, text, at_start, out, most);
    return out;
  }
};

}  // namespace

std::string_view Normalizer::apply(std::string_view text, bool at_start, Scratch& scratch) const {
  const size_t most = kMostGrowth * text.size() + kMostAdded;
  std::string_view current = text;
  for (const NormalizerStep& step : steps_) {
    scratch.next_.clear();
    scratch.next_.reserve(current.size() + current.size() / 8);
    const std::string_view result =
        std::visit(Application{current, at_start, most, scratch.next_, scratch.regex_}, step);
    if (result.size() > most) {
      fail(ErrorKind::exhausted,
           "a normalizer makes more than {} bytes of {}, expected at most {} times as many and {}",
           most, text.size(), kMostGrowth, kMostAdded);
    }
    if (result.data() == scratch.next_.data()) {
      scratch.text_.swap(scratch.next_);
      current = scratch.text_;
    } else {
      current = result;
    }
  }
  return current;
}

}  // namespace cadre::text
