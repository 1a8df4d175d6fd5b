#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <algorithm>

#include "core/base/error.h"
#include "text/utf8.h"

namespace cadre::text {

struct RegexScratch::State {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, 8 << 20, nullptr);

  ~State() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {
  if (state_->data == nullptr || state_->context == nullptr || state_->stack == nullptr) {
    fail(ErrorKind::exhausted, "regular expressions: no memory to match with");
  }
  pcre2_jit_stack_assign(state_->context, nullptr, state_->stack);
}

RegexScratch::~RegexScratch() = default;

struct Regex::Code {
  pcre2_code* compiled = nullptr;
  ~Code() { pcre2_code_free(compiled); }
};

Regex::Regex(std::string_view pattern, std::string where) : where_(std::move(where)) {
  const std::string translated = translate_pattern(pattern, where_);
  const std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  if (context == nullptr) fail(ErrorKind::exhausted, "{}: no memory to compile", where_);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE error_offset = 0;
  auto code = std::make_shared<Code>();
  code->compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
                                 &error_offset, context.get());
  if (code->compiled == nullptr) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    fail(ErrorKind::corrupt_data, "{}: \"{}\" is not a regular expression: {}", where_, pattern,
         reinterpret_cast<const char*>(message));
  }
  // Without JIT (a platform that forbids it) matching is slower and the same.
  static_cast<void>(pcre2_jit_compile(code->compiled, PCRE2_JIT_COMPLETE));
  code_ = std::move(code);
}

bool Regex::find(std::string_view text, size_t from, RegexScratch& scratch, Match& match) const {
  RegexScratch::State& state = *scratch.state_;
  // Steps grow with the text for any pattern; a pattern that needs far more is a hostile one.
  const uint64_t steps = 10'000'000ull + 64ull * text.size();
  pcre2_set_match_limit(state.context, static_cast<uint32_t>(std::min<uint64_t>(steps, 1u << 31)));
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int status = pcre2_match(code_->compiled, subject, text.size(), from, PCRE2_NO_UTF_CHECK,
                           state.data, state.context);
  if (status == PCRE2_ERROR_JIT_STACKLIMIT) {
    status = pcre2_match(code_->compiled, subject, text.size(), from,
                         PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, state.data, state.context);
  }
  if (status == PCRE2_ERROR_NOMATCH) return false;
  if (status < 0) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(status, message, sizeof(message));
    fail(ErrorKind::exhausted, "{}: matching {} bytes of text: {}", where_, text.size(),
         reinterpret_cast<const char*>(message));
  }
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(state.data);
  match = {offsets[0], offsets[1]};
  return true;
}

bool Regex::Iterator::next(Match& match) {
  while (from_ <= text_.size()) {
    if (!regex_.find(text_, from_, scratch_, match)) {
      from_ = text_.size() + 1;
      return false;
    }
    if (match.begin != match.end || match.end != last_end_) {
      from_ = last_end_ = match.end;
      return true;
    }
    from_ =
        match.end < text_.size() ? match.end + decode_at(text_, match.end).size : text_.size() + 1;
  }
  return false;
}

}  // namespace cadre::text
