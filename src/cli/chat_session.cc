#include "cli/chat_session.h"

#include <algorithm>

#include "cli/chat_model.h"
#include "core/base/error.h"
#include "infer/stop_strings.h"

namespace cadre::cli {
namespace {

using io::JsonValue;

std::string_view member(const JsonValue& message, std::string_view key) {
  const JsonValue* found = message.find(key);
  const auto* text = found == nullptr ? nullptr : found->get_if<std::string>();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

bool has_role(const JsonValue& message, std::string_view role) {
  return member(message, "role") == role;
}

}  // namespace

ChatSession::ChatSession(Context& ctx, const model::Decoder& decoder, text::Tokenizer tokenizer,
                         text::ChatTemplate chat, infer::GenerateOptions generate,
                         const infer::EngineOptions& engine)
    : ctx_(ctx),
      tokenizer_(std::move(tokenizer)),
      chat_(std::move(chat)),
      generate_(std::move(generate)),
      session_(decoder, engine) {}

void ChatSession::set_stop(std::vector<std::string> stop) {
  static_cast<void>(infer::StopStrings(stop));  // refuses what cannot be one
  stop_ = std::move(stop);
}

void ChatSession::set_system(std::string_view text) {
  if (!messages_.empty() && has_role(messages_.front(), "system")) {
    messages_.erase(messages_.begin());
  }
  if (!text.empty()) messages_.insert(messages_.begin(), text::chat_message("system", text));
}

std::string ChatSession::system() const {
  const bool given = !messages_.empty() && has_role(messages_.front(), "system");
  return given ? std::string(member(messages_.front(), "content")) : "";
}

void ChatSession::add(std::string_view role, std::string_view content) {
  messages_.push_back(text::chat_message(role, content));
}

void ChatSession::set_messages(const JsonValue& messages) {
  const JsonValue parsed = text::with_parsed_arguments(messages);
  const auto* list = parsed.get_if<JsonValue::Array>();
  if (list == nullptr) {
    fail(ErrorKind::invalid_input, "messages are {}, expected an array", messages.kind());
  }
  for (size_t i = 0; i < list->size(); ++i) {
    if (member((*list)[i], "role").empty()) {
      fail(ErrorKind::invalid_input, "messages[{}] has no role, expected an object with one", i);
    }
  }
  messages_ = *list;
}

bool ChatSession::empty() const {
  return std::ranges::all_of(messages_,
                             [](const JsonValue& message) { return has_role(message, "system"); });
}

void ChatSession::clear() {
  const std::string text = system();
  messages_.clear();
  set_system(text);
}

std::optional<std::string> ChatSession::undo() {
  for (size_t i = messages_.size(); i-- > 0;) {
    if (!has_role(messages_[i], "user")) continue;
    std::string text(member(messages_[i], "content"));
    messages_.resize(i);
    return text;
  }
  return std::nullopt;
}

bool ChatSession::undo_answer() {
  const auto last =
      std::find_if(messages_.rbegin(), messages_.rend(),
                   [](const JsonValue& message) { return has_role(message, "user"); });
  if (last == messages_.rend()) return false;
  messages_.erase(last.base(), messages_.end());
  return true;
}

std::string ChatSession::prompt() const {
  text::ChatRequest request;
  request.messages = messages_;
  request.tools = tools_;
  return chat_.render(request).text;
}

// A turn is a message of the user with what follows up to the next.
bool ChatSession::drop_oldest_turn() {
  const auto is_user = [](const JsonValue& message) { return has_role(message, "user"); };
  const auto first = std::find_if(messages_.begin(), messages_.end(), is_user);
  if (first == messages_.end()) return false;
  const auto next = std::find_if(first + 1, messages_.end(), is_user);
  if (next == messages_.end()) return false;
  messages_.erase(first, next);
  return true;
}

std::vector<int32_t> ChatSession::prompt_tokens(int64_t& dropped) {
  for (;;) {
    std::vector<int32_t> tokens = encode_chat(tokenizer_, prompt());
    const auto size = static_cast<int64_t>(tokens.size());
    // An answer needs room, too: some of what it may take.
    const int64_t room =
        drop_oldest_ ? std::min(generate_.max_tokens, session_.max_length() / 4) : 1;
    if (size + room <= session_.max_length()) return tokens;
    if (drop_oldest_ && drop_oldest_turn()) {
      ++dropped;
      continue;
    }
    if (size < session_.max_length()) return tokens;
    fail(ErrorKind::exhausted, "the conversation has {} tokens, the context holds {}", size,
         session_.max_length());
  }
}

ChatAnswer ChatSession::answer(const std::function<void(std::string_view)>& show,
                               const std::function<bool()>& keep_going) {
  ChatAnswer answer;
  const std::vector<int32_t> tokens = prompt_tokens(answer.dropped_turns);
  answer.prompt_tokens = static_cast<int64_t>(tokens.size());
  infer::GenerateOptions options = generate_;
  options.keep_going = keep_going;
  infer::TextStream stream(tokenizer_, /*skip_special=*/true, stop_);
  const auto push = [&](const std::string& piece) {
    if (piece.empty()) return;
    answer.text += piece;
    show(piece);
  };
  answer.result = session_.generate(ctx_, tokens, options, [&](int32_t token) {
    push(stream.push(token));
    return keep_going() && !stream.stopped();
  });
  push(stream.finish());
  if (stream.stopped()) answer.result.reason = infer::StopReason::stop_string;
  add("assistant", answer.text);
  return answer;
}

}  // namespace cadre::cli
