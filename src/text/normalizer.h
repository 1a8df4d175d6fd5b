// What happens to text before it is cut into words: steps, one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/chars_map.h"
#include "text/piece_trie.h"
#include "text/regex.h"
#include "text/unicode_forms.h"

namespace cadre::text {

// Puts a text before all that is not empty.
struct PrependStep {
  std::string text;
};

// Puts `content` wherever the literal, or the pattern if there is one, is found.
struct ReplaceStep {
  std::string literal;
  std::optional<Regex> pattern;
  std::string content;
};

struct LowercaseStep {};
struct StripAccentsStep {};  // leaves marks out
struct NmtStep {};           // leaves control characters out, other kinds of spaces become spaces

// Takes white space away at the beginning and at the end.
struct StripStep {
  bool left;
  bool right;
};

// Rewrites characters by a table, grapheme by grapheme (CharsMap::rewrite_graphemes).
struct CharsMapStep {
  std::shared_ptr<const CharsMap> map;
};

// All that SentencePiece does to a text: rewrites characters by the longest match of a table, takes
// extra spaces away, puts one before the text, and writes them as U+2581. User-defined pieces in
// the text stay as they are.
struct SentencePieceStep {
  std::shared_ptr<const CharsMap> map;            // null: characters stay
  std::shared_ptr<const PieceTrie> user_defined;  // null: there are none
  bool remove_extra_whitespaces;
  bool add_dummy_prefix;
  bool prefix_every_stretch;  // else only where the whole text begins
  bool escape_whitespaces;
};

using NormalizerStep =
    std::variant<NormalForm, PrependStep, ReplaceStep, LowercaseStep, StripAccentsStep, NmtStep,
                 StripStep, CharsMapStep, SentencePieceStep>;

// Immutable, so threads may share it. Linear in the length of the text, but for order among marks
// (unicode_forms.h) and patterns: steps that replace a text by a longer one multiply, so what they
// make of a text is bounded.
class Normalizer {
 public:
  // Far beyond what any published tokenizer needs; U+FDFA, the longest of Unicode's own, becomes 11
  // times as long.
  static constexpr size_t kMostSteps = 128;
  static constexpr size_t kMostGrowth = 64;
  static constexpr size_t kMostAdded = size_t{16} << 10;

  explicit Normalizer(std::vector<NormalizerStep> steps = {}) : steps_(std::move(steps)) {}

  bool changes_nothing() const { return steps_.empty(); }

  // Memory that calls reuse; one per thread.
  class Scratch;

  // The normalised text: a view of `text` itself if a quick look finds nothing to do, else of the
  // scratch. The text must be valid UTF-8; at_start says that it is the beginning of a whole text
  // rather than a stretch behind a token. Errors as Regex::find, and Error(exhausted) where a step
  // makes more than kMostGrowth times the bytes of `text` and kMostAdded.
  std::string_view apply(std::string_view text, bool at_start, Scratch& scratch) const;

 private:
  std::vector<NormalizerStep> steps_;
};

class Normalizer::Scratch {
 private:
  friend class Normalizer;
  std::string text_;
  std::string next_;
  std::optional<RegexScratch> regex_;  // made when a step needs it
};

// Appends the text as the step has it; used by Normalizer, here for tests. Stops once `out` has
// more than `most` bytes.
void append_sentencepiece(const SentencePieceStep& step, std::string_view text, bool at_start,
                          std::string& out, size_t most = SIZE_MAX);

}  // namespace cadre::text
