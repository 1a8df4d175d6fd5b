// Unicode normalisation of text before it is tokenised.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cadre::text {

// The forms of Unicode Standard Annex 15.
enum class NormalForm { nfc, nfd, nfkc, nfkd };

// Applies forms one after the other; an empty list leaves text alone. Characters that joined Unicode
// after version 9 are left as they are, for that is the edition whose tables the `tokenizers`
// library has, and the tokens of published models were made with. Immutable, so threads may share
// it. Linear in the length of the text up to the sorting of combining marks, whatever the
// text (n log n for a run of n marks).
class Normalizer {
 public:
  explicit Normalizer(std::vector<NormalForm> forms = {}) : forms_(std::move(forms)) {}

  bool changes_nothing() const { return forms_.empty(); }

  // The normalised text: a view of `text` itself if that is normal already by a quick look, else of
  // `storage`, which is overwritten. The text must be valid UTF-8.
  std::string_view apply(std::string_view text, std::string& storage) const;

 private:
  std::vector<NormalForm> forms_;
};

}  // namespace cadre::text
