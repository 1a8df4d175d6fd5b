#include "infer/stop_strings.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"

namespace cadre::infer {

StopStrings::StopStrings(std::vector<std::string> strings) {
  if (strings.size() > kMaxStrings) {
    fail(ErrorKind::invalid_input, "{} stop strings, expected at most {}", strings.size(),
         kMaxStrings);
  }
  for (std::string& text : strings) {
    if (text.empty() || text.size() > kMaxBytes) {
      fail(ErrorKind::invalid_input, "a stop string has {} bytes, expected 1 to {}", text.size(),
           kMaxBytes);
    }
    std::vector<int32_t> fallback(text.size() + 1, 0);
    for (size_t i = 1, border = 0; i < text.size(); ++i) {
      while (border > 0 && text[i] != text[border]) border = static_cast<size_t>(fallback[border]);
      if (text[i] == text[border]) ++border;
      fallback[i + 1] = static_cast<int32_t>(border);
    }
    strings_.push_back({std::move(text), std::move(fallback)});
  }
}

std::string StopStrings::push(std::string_view piece) {
  if (found()) return "";
  if (strings_.empty()) return std::string(piece);
  for (const char byte : piece) {
    held_ += byte;
    for (size_t i = 0; i < strings_.size(); ++i) {
      String& string = strings_[i];
      size_t& matched = string.matched;
      while (matched > 0 && string.text[matched] != byte) {
        matched = static_cast<size_t>(string.fallback[matched]);
      }
      if (string.text[matched] == byte) ++matched;
      if (matched < string.text.size()) continue;
      if (!found() || string.text.size() > strings_[found_].text.size()) {
        found_ = static_cast<int64_t>(i);
      }
      matched = static_cast<size_t>(string.fallback[matched]);
    }
    if (!found()) continue;
    std::string shown = held_.substr(0, held_.size() - strings_[found_].text.size());
    held_.clear();
    return shown;
  }
  size_t held = 0;
  for (const String& string : strings_) held = std::max(held, string.matched);
  std::string shown = held_.substr(0, held_.size() - held);
  held_.erase(0, held_.size() - held);
  return shown;
}

std::string StopStrings::finish() {
  std::string rest = std::exchange(held_, {});
  for (String& string : strings_) string.matched = 0;
  found_ = -1;
  return rest;
}

std::string TextStream::finish() {
  std::string text = stop_.push(decoder_.finish());
  if (!stopped()) text += stop_.finish();
  return text;
}

}  // namespace cadre::infer
