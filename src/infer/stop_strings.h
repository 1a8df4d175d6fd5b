// Strings that end a text, found across the borders of tokens before any part of them is shown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace cadre::infer {

// The text ends before the first stop string: the one that is complete first, and of several that
// are complete at once the longest. What might be the beginning of one is held back until it is
// not, so that text that was shown is never taken back, however it comes in pieces. Linear in the
// text (Knuth, Morris and Pratt's automaton for each string). Belongs to one thread.
class StopStrings {
 public:
  static constexpr size_t kMaxStrings = 64;
  static constexpr size_t kMaxBytes = 4096;  // of one

  // Throws Error(invalid_input) for an empty string or beyond the limits.
  explicit StopStrings(std::vector<std::string> strings);

  // What can be shown now that `piece` has come; nothing once a stop string was found.
  std::string push(std::string_view piece);
  // What was held back, if the text ends otherwise; starts over.
  std::string finish();
  // Whether a stop string was found, and which.
  bool found() const { return found_ >= 0; }
  std::string_view string() const { return found() ? strings_[found_].text : std::string_view(); }

 private:
  struct String {
    std::string text;
    std::vector<int32_t> fallback;  // by matched bytes: the longest border of that beginning
    size_t matched = 0;
  };
  std::vector<String> strings_;
  std::string held_;
  int64_t found_ = -1;
};

// The text of tokens as they come, up to a stop string: StreamDecoder and StopStrings.
class TextStream {
 public:
  explicit TextStream(text::Tokenizer tokenizer, bool skip_special = false,
                      std::vector<std::string> stop = {})
      : decoder_(std::move(tokenizer), skip_special), stop_(std::move(stop)) {}

  // What the token lets show; nothing more once stopped() is true.
  std::string push(int32_t token) { return stop_.push(decoder_.push(token)); }
  // The rest, when no token follows.
  std::string finish();
  bool stopped() const { return stop_.found(); }
  std::string_view stop_string() const { return stop_.string(); }

 private:
  text::StreamDecoder decoder_;
  StopStrings stop_;
};

}  // namespace cadre::infer
