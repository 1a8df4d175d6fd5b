#include "text/token_decoder.h"

#include "text/sentencepiece_model.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

constexpr std::string_view kReplacement = "\ufffd";

// Appends bytes with one U+FFFD for each byte that is part of no character.
void append_byte_by_byte(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    const size_t valid = valid_prefix(bytes);
    out += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) return;
    out += kReplacement;
    bytes.remove_prefix(1);
  }
}

}  // namespace

void TokenDecoder::append(std::string_view text, std::string& out) {
  if (text.empty()) return;
  if (rules_->leading == DecoderRules::Leading::characters) {
    while (stripped_ < rules_->strip_count && text.starts_with(rules_->strip)) {
      text.remove_prefix(rules_->strip.size());
      ++stripped_;
    }
    if (text.empty()) return;
    stripped_ = rules_->strip_count;
  }
  out += text;
  shown_ = true;
}

void TokenDecoder::flush(bool end, std::string& out) {
  if (pending_.empty()) return;
  const bool whole_run = rules_->bytes == DecoderRules::Bytes::fallback_run;
  if (!prompt_ && !end && rules_->bytes != DecoderRules::Bytes::fallback_each) return;
  const size_t ready = end ? pending_.size() : complete_prefix(pending_);
  const std::string_view bytes = std::string_view(pending_).substr(0, ready);
  std::string text;
  if (rules_->bytes == DecoderRules::Bytes::level) {
    append_repaired(bytes, text);
  } else if (whole_run && !prompt_ && !is_valid_utf8(bytes)) {
    for (size_t i = 0; i < bytes.size(); ++i) text += kReplacement;
  } else {
    append_byte_by_byte(bytes, text);
  }
  pending_.erase(0, ready);
  append(text, out);
}

void TokenDecoder::push(const TokenText& token, std::string& out) {
  using Leading = DecoderRules::Leading;
  const bool first = first_;
  first_ = false;
  if (rules_->bytes == DecoderRules::Bytes::level || token.byte) {
    pending_ += token.bytes;
    return flush(false, out);
  }
  flush(true, out);
  std::string_view text = token.bytes;
  if (rules_->leading == Leading::marks && first) {
    std::string bare;
    for (std::string_view rest = token.written; !rest.empty();) {
      const size_t mark = std::min(rest.find(kSpaceMark), rest.size());
      bare += rest.substr(0, mark);
      rest.remove_prefix(std::min(mark + kSpaceMark.size(), rest.size()));
    }
    return append(bare, out);
  }
  const bool takes_marks =
      rules_->leading == Leading::one_mark || rules_->leading == Leading::all_marks;
  if (takes_marks && !shown_ && !token.shown_as_is && token.written.starts_with(kSpaceMark)) {
    text.remove_prefix(std::min<size_t>(1, text.size()));  // the space that the mark has become
    shown_ = rules_->leading == Leading::one_mark;
  }
  append(text, out);
}

void TokenDecoder::skip(std::string& out) {
  if (rules_->bytes == DecoderRules::Bytes::fallback_each) flush(true, out);
}

void TokenDecoder::finish(std::string& out) {
  flush(true, out);
  shown_ = false;
  first_ = true;
  stripped_ = 0;
}

}  // namespace cadre::text
