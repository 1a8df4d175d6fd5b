// The words of GPT-2's pre-tokenizer, scanned by hand.
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// This is the pattern that the ByteLevel pre-tokenizer has built in, so most tokenizers spend
// their time in it. It needs one character of look-ahead, and a run of white space gives its last
// character to the word behind it. Equal to PCRE2 on the pattern for all text (tested).
#pragma once

#include <string_view>

#include "text/char_classes.h"

namespace cadre::text {

inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// The end of the word that starts at text[at]. The text must be valid UTF-8, at < text.size().
// Words cover the text without gaps.
size_t gpt2_word_end(const CharClasses& classes, std::string_view text, size_t at);

}  // namespace cadre::text
