#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/byte_level.h"
#include "text/gpt2_scanner.h"
#include "text/sentencepiece_model.h"
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

// One text on its way through the steps.
class PreTokenizer::Run {
 public:
  Run(const PreTokenizer& owner, Scratch& scratch, const Visitor& visit)
      : steps_(owner.steps_), classes_(*owner.classes_), scratch_(scratch), visit_(visit) {}

  // A piece in front of a step: where it came from and what has become of it.
  struct Piece {
    std::string_view text;
    bool at_start;  // of the whole text
    bool written;   // bytes are written as characters (byte_level.h)

    Piece part(size_t begin, size_t end) const {
      return {text.substr(begin, end - begin), at_start && begin == 0, written};
    }
  };

  void go(size_t step, Piece piece) {
    if (piece.text.empty()) return;
    if (step < steps_.size()) {
      std::visit([&](const auto& s) { apply(s, step + 1, piece); }, steps_[step]);
    } else if (piece.written) {
      visit_(*written_to_bytes(piece.text));
    } else {
      visit_(piece.text);
    }
  }

 private:
  void apply(const SplitStep& step, size_t next, Piece piece) {
    if (!scratch_.regex_) scratch_.regex_.emplace();
    std::vector<Stretch> stretches;
    size_t done = 0;
    Regex::Iterator matches(step.regex, piece.text, *scratch_.regex_);
    for (Regex::Match match{}; matches.next(match); done = match.end) {
      if (done != match.begin) stretches.push_back({done, match.begin, step.invert});
      stretches.push_back({match.begin, match.end, !step.invert});
    }
    if (done != piece.text.size()) stretches.push_back({done, piece.text.size(), step.invert});
    pass_on(std::move(stretches), step.behavior, next, piece);
  }

  // Cuts at runs of characters, or at each character, that are in a set.
  template <typename IsIn>
  void cut_at(bool each, SplitBehavior behavior, size_t next, Piece piece, const IsIn& is_in) {
    std::vector<Stretch> stretches;
    for (size_t at = 0; at < piece.text.size();) {
      const CodePoint c = decode_at(piece.text, at);
      const bool match = is_in(c.value);
      const size_t end = at + c.size;
      if (stretches.empty() || stretches.back().match != match || (match && each)) {
        stretches.push_back({at, end, match});
      } else {
        stretches.back().end = end;
      }
      at = end;
    }
    pass_on(std::move(stretches), behavior, next, piece);
  }

  void pass_on(std::vector<Stretch> stretches, SplitBehavior behavior, size_t next, Piece piece) {
    for (const Stretch& s : arrange(std::move(stretches), behavior)) {
      go(next, piece.part(s.begin, s.end));
    }
  }

  void apply(const DigitsStep& step, size_t next, Piece piece) {
    cut_at(step.individual_digits, SplitBehavior::isolated, next, piece, [&](char32_t c) {
      return classes_[c] == CharClass::number || (c >= 0x10d40 && is_newer_number(c));
    });
  }

  void apply(const PunctuationStep& step, size_t next, Piece piece) {
    cut_at(true, step.behavior, next, piece, is_punctuation);
  }

  void apply(const DelimiterStep& step, size_t next, Piece piece) {
    cut_at(true, SplitBehavior::removed, next, piece,
           [&](char32_t c) { return c == step.delimiter; });
  }

  void apply(const WhitespaceStep& step, size_t next, Piece piece) {
    const auto kind_of = [&](char32_t c) {
      if (is_white_space(c)) return 0;
      return step.punctuation && !is_word_character(c) ? 2 : 1;
    };
    size_t begin = 0;
    int kind = 0;
    for (size_t at = 0; at < piece.text.size();) {
      const CodePoint c = decode_at(piece.text, at);
      if (const int here = kind_of(c.value); here != kind) {
        if (kind != 0) go(next, piece.part(begin, at));
        begin = at;
        kind = here;
      }
      at += c.size;
    }
    if (kind != 0) go(next, piece.part(begin, piece.text.size()));
  }

  void apply(const MetaspaceStep& step, size_t next, Piece piece) {
    std::string marked;
    marked.reserve(piece.text.size() + piece.text.size() / 2);
    for (char c : piece.text) c == ' ' ? marked += step.mark : marked += c;
    const bool prepend = step.prepend == MetaspaceStep::Prepend::always ||
                         (step.prepend == MetaspaceStep::Prepend::first && piece.at_start);
    if (prepend && !marked.starts_with(step.mark)) marked.insert(0, step.mark);
    piece.text = marked;
    if (!step.split) return go(next, piece);
    size_t begin = 0;
    while (begin < marked.size()) {
      const size_t end = std::min(marked.find(step.mark, begin + 1), marked.size());
      go(next, piece.part(begin, end));
      begin = end;
    }
  }

  void apply(const MarkCutStep&, size_t next, Piece piece) {
    const std::string_view text = piece.text;
    size_t begin = 0;
    for (size_t at = text.find(kSpaceMark, 1); at != std::string_view::npos;
         at = text.find(kSpaceMark, at + kSpaceMark.size())) {
      if (text.substr(0, at).ends_with(kSpaceMark)) continue;
      go(next, piece.part(begin, at));
      begin = at;
    }
    go(next, piece.part(begin, text.size()));
  }

  void apply(const ByteLevelStep& step, size_t next, Piece piece) {
    std::string with_space;
    if (step.add_prefix_space && piece.text.front() != ' ') {
      with_space.reserve(piece.text.size() + 1);
      with_space += ' ';
      with_space += piece.text;
      piece.text = with_space;
    }
    // At the end of the way, bytes need not be written first.
    const auto pass = [&](Piece word) {
      if (next == steps_.size() || word.written) return go(next, word);
      const std::string characters = bytes_to_written(word.text);
      go(next, {characters, word.at_start, true});
    };
    if (!step.use_regex) return pass(piece);
    for (size_t at = 0; at < piece.text.size();) {
      const size_t end = gpt2_word_end(classes_, piece.text, at);
      pass(piece.part(at, end));
      at = end;
    }
  }

  const std::vector<PreTokenizerStep>& steps_;
  const CharClasses& classes_;
  Scratch& scratch_;
  const Visitor& visit_;
};

void PreTokenizer::for_each_word(std::string_view text, bool at_start, Scratch& scratch,
                                 const Visitor& visit) const {
  Run(*this, scratch, visit).go(0, {text, at_start, false});
}

}  // namespace cadre::text
