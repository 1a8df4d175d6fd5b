#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/gpt2_scanner.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

// A stretch of text and whether the pattern matched it.
struct Stretch {
  size_t begin;
  size_t end;
  bool match;
};

// Joins stretches as the behaviour says; the text is covered before and, but for `removed`, after.
// The rules, also on empty matches, are those of the `tokenizers` library.
std::vector<Stretch> arrange(std::vector<Stretch> stretches, SplitBehavior behavior) {
  if (behavior == SplitBehavior::isolated) return stretches;
  if (behavior == SplitBehavior::removed) {
    std::erase_if(stretches, [](const Stretch& s) { return s.match; });
    return stretches;
  }
  const bool backwards = behavior == SplitBehavior::merged_with_next;
  if (backwards) std::ranges::reverse(stretches);
  std::vector<Stretch> arranged;
  bool previous_match = false;
  for (const Stretch& s : stretches) {
    const bool joins = behavior == SplitBehavior::contiguous ? s.match == previous_match
                                                             : s.match && !previous_match;
    if (joins && !arranged.empty()) {
      (backwards ? arranged.back().begin : arranged.back().end) = backwards ? s.begin : s.end;
    } else {
      arranged.push_back(s);
    }
    previous_match = s.match;
  }
  if (backwards) std::ranges::reverse(arranged);
  return arranged;
}

}  // namespace

void PreTokenizer::for_each_word(std::string_view text, Scratch& scratch,
                                 const Visitor& visit) const {
  run(0, text, scratch, visit);
}

void PreTokenizer::run(size_t step, std::string_view text, Scratch& scratch,
                       const Visitor& visit) const {
  if (text.empty()) return;
  if (step == steps_.size()) return visit(text);
  if (const auto* s = std::get_if<SplitStep>(&steps_[step])) {
    split(*s, step + 1, text, scratch, visit);
  } else if (const auto* d = std::get_if<DigitsStep>(&steps_[step])) {
    digits(*d, step + 1, text, scratch, visit);
  } else {
    byte_level(std::get<ByteLevelStep>(steps_[step]), step + 1, text, scratch, visit);
  }
}

void PreTokenizer::split(const SplitStep& step, size_t next, std::string_view text,
                         Scratch& scratch, const Visitor& visit) const {
  if (!scratch.regex_) scratch.regex_.emplace();
  std::vector<Stretch> stretches;
  size_t done = 0;
  Regex::Iterator matches(step.regex, text, *scratch.regex_);
  for (Regex::Match match{}; matches.next(match); done = match.end) {
    if (done != match.begin) stretches.push_back({done, match.begin, step.invert});
    stretches.push_back({match.begin, match.end, !step.invert});
  }
  if (done != text.size()) stretches.push_back({done, text.size(), step.invert});
  for (const Stretch& s : arrange(std::move(stretches), step.behavior)) {
    run(next, text.substr(s.begin, s.end - s.begin), scratch, visit);
  }
}

void PreTokenizer::digits(const DigitsStep& step, size_t next, std::string_view text,
                          Scratch& scratch, const Visitor& visit) const {
  size_t begin = 0;
  bool in_number = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_at(text, at);
    const bool number = (*classes_)[c.value] == CharClass::number;
    if (number != in_number || (number && step.individual_digits)) {
      run(next, text.substr(begin, at - begin), scratch, visit);
      begin = at;
    }
    in_number = number;
    at += c.size;
  }
  run(next, text.substr(begin), scratch, visit);
}

void PreTokenizer::byte_level(const ByteLevelStep& step, size_t next, std::string_view text,
                              Scratch& scratch, const Visitor& visit) const {
  std::string with_space;
  if (step.add_prefix_space && text.front() != ' ') {
    with_space.reserve(text.size() + 1);
    with_space += ' ';
    with_space += text;
    text = with_space;
  }
  if (!step.use_regex) return run(next, text, scratch, visit);
  for (size_t at = 0; at < text.size();) {
    const size_t end = gpt2_word_end(*classes_, text, at);
    run(next, text.substr(at, end - at), scratch, visit);
    at = end;
  }
}

}  // namespace cadre::text
