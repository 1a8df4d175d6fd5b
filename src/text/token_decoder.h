// From tokens back to text, token by token.
//
// Three things keep this from being a row of strings. Some tokens are single bytes, so that a
// character may take several of them. Some tokenizers put a space before the text that has to go
// again. And a decoder of tokenizer.json may rewrite tokens; what it does to a token by itself has
// been done when the vocabulary was read.
#pragma once

#include <string>
#include <string_view>

namespace cadre::text {

// What a token adds to decoded text.
struct TokenText {
  std::string_view bytes;    // in the middle of a text
  std::string_view written;  // as in the file
  bool byte = false;         // `bytes` is one byte of a character that other tokens complete
  bool shown_as_is = false;  // an added or special token, which no rule about spaces touches
};

struct DecoderRules {
  // How single bytes that are not UTF-8 are repaired.
  enum class Bytes {
    level,          // every token is bytes: one U+FFFD for each maximal broken part (utf8.h)
    fallback_run,   // a run of byte tokens is UTF-8 as a whole, or a U+FFFD for each of its bytes
    fallback_each,  // one U+FFFD for each byte that is part of no character (SentencePiece)
  };
  // What is taken away at the beginning of the text.
  enum class Leading {
    nothing,
    characters,  // up to `strip_count` times the character `strip`
    marks,       // all U+2581 of the first token (Metaspace)
    one_mark,    // the U+2581 of the first token that shows (SentencePiece's dummy prefix)
    all_marks,   // one of each token as long as nothing shows (remove_extra_whitespaces)
  };
  Bytes bytes = Bytes::level;
  Leading leading = Leading::nothing;
  std::string strip;  // one character
  int strip_count = 0;
};

// One text being decoded. push() and finish() append to `out`; what they append is valid UTF-8.
class TokenDecoder {
 public:
  // With `prompt`, characters come out as soon as they are complete. Without it they may wait for
  // the end of a run of byte tokens, where Bytes::fallback_run needs that to repair as its
  // reference does.
  TokenDecoder(const DecoderRules& rules, bool prompt) : rules_(&rules), prompt_(prompt) {}

  void push(const TokenText& token, std::string& out);
  // A token that is left out. SentencePiece sees it all the same: no character reaches across.
  void skip(std::string& out);
  // What is left of a character that never became whole, repaired; starts over.
  void finish(std::string& out);

 private:
  void flush(bool end, std::string& out);
  void append(std::string_view text, std::string& out);

  const DecoderRules* rules_;
  bool prompt_;
  std::string pending_;  // bytes that have not come out
  bool shown_ = false;   // something has come out, or a leading mark was taken away
  bool first_ = true;    // no token yet
  int stripped_ = 0;
};

}  // namespace cadre::text
