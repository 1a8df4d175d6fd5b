// The normal forms of Unicode Standard Annex 15, and lower case.
//
// Characters that joined Unicode after version 9 are left as they are, for that is the edition
// whose tables the `tokenizers` library has, and the tokens of published models were made with.
#pragma once

#include <string>
#include <string_view>

namespace cadre::text {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

// Whether a quick look shows that the text is in the form already. The text must be valid UTF-8.
bool is_normal(std::string_view text, NormalForm form);

// Appends the text in the form. Linear in its length up to the sorting of combining marks, whatever
// the text (n log n for a run of n marks).
void append_normal(std::string_view text, NormalForm form, std::string& out);

// Appends the text in lower case, each character by itself.
void append_lower(std::string_view text, std::string& out);

}  // namespace cadre::text
