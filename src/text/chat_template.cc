#include "text/chat_template.h"

#include <array>

#include "core/base/error.h"
#include "core/io/json.h"
#include "text/jinja/python_text.h"

namespace cadre::text {
namespace {

using io::JsonValue;

// Jinja's own names of a model's reasoning; the first is what templates mostly read.
constexpr std::array<const char*, 3> kReasoning = {"reasoning_content", "thinking", "reasoning"};
// Cannot come from a conversation by accident, and survives a template that trims.
constexpr std::string_view kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

JsonValue with_reasoning(const JsonValue& message) {
  for (const char* name : kReasoning) {
    const JsonValue* reasoning = message.find(name);
    if (reasoning == nullptr || reasoning->is_null()) continue;
    JsonValue copy = JsonValue::object();
    copy.set("thinking", *reasoning);
    for (const auto& [key, value] : message.get_if<JsonValue::Object>()->members) {
      copy.set(key, value);
    }
    copy.set("reasoning_content", *reasoning);
    return copy;
  }
  return message;
}

// The last text of the content, and the message with the tag behind it.
std::pair<std::string, JsonValue> tagged(const JsonValue& message, const std::string& where) {
  JsonValue copy = message;
  const JsonValue* content = message.find("content");
  if (content != nullptr) {
    if (const std::string* text = content->get_if<std::string>()) {
      copy.set("content", *text + std::string(kContinueTag));
      return {*text, std::move(copy)};
    }
    if (const auto* parts = content->get_if<JsonValue::Array>()) {
      for (size_t i = parts->size(); i-- > 0;) {
        const JsonValue* part = (*parts)[i].find("text");
        const std::string* text = part == nullptr ? nullptr : part->get_if<std::string>();
        if (text == nullptr) continue;
        JsonValue::Array changed = *parts;
        changed[i].set("text", *text + std::string(kContinueTag));
        copy.set("content", changed);
        return {*text, std::move(copy)};
      }
    }
  }
  fail(ErrorKind::invalid_input, "{}: the final message has no text to continue", where);
}

// Cuts the text where the tag stands.
void cut_at_tag(RenderedChat& chat, const std::string& final_text, const std::string& where) {
  const std::string_view bare = jinja::strip(kContinueTag, jinja::Side::right);
  const std::string_view wanted = jinja::strip(final_text, jinja::Side::both);
  const size_t at = chat.text.rfind(bare);
  if (at == std::string::npos || chat.text.find(wanted) == std::string::npos) {
    fail(ErrorKind::invalid_input,
         "{}: the final message does not appear in the rendered chat, so it cannot be continued",
         where);
  }
  const bool trimmed = chat.text.substr(at, kContinueTag.size()) != kContinueTag;
  chat.text.resize(at);
  if (trimmed) chat.text = std::string(jinja::strip(chat.text, jinja::Side::right));
  for (auto& [begin, end] : chat.assistant) {
    begin = std::min(begin, chat.text.size());
    end = std::min(end, chat.text.size());
  }
}

}  // namespace

ChatTemplate::ChatTemplate(std::string source, std::string where, SpecialTokens special_tokens)
    : source_(std::move(source)),
      where_(std::move(where)),
      special_tokens_(std::move(special_tokens)),
      template_(jinja::Template::parse(source_, where_)) {}

RenderedChat ChatTemplate::render(const ChatRequest& request) const {
  const auto* messages = request.messages.get_if<JsonValue::Array>();
  if (messages == nullptr) {
    fail(ErrorKind::invalid_input, "messages are {}, expected an array", request.messages.kind());
  }
  if (request.continue_final_message && (request.add_generation_prompt || messages->empty())) {
    fail(ErrorKind::invalid_input,
         "continuing the final message needs one, and no generation prompt after it");
  }
  JsonValue::Array chat;
  for (size_t i = 0; i < messages->size(); ++i) {
    const JsonValue& message = (*messages)[i];
    if (message.get_if<JsonValue::Object>() == nullptr) {
      fail(ErrorKind::invalid_input, "messages[{}] is {}, expected an object", i, message.kind());
    }
    chat.push_back(with_reasoning(message));
  }
  std::string final_text;
  if (request.continue_final_message) {
    std::tie(final_text, chat.back()) = tagged(chat.back(), where_);
  }
  std::vector<std::pair<std::string, JsonValue>> variables;
  for (const auto& [name, token] : special_tokens_) variables.emplace_back(name, token);
  for (const auto& [name, value] : request.variables) variables.emplace_back(name, value);
  variables.emplace_back("messages", JsonValue(chat));
  variables.emplace_back("tools", request.tools);
  variables.emplace_back("documents", request.documents);
  variables.emplace_back("add_generation_prompt", request.add_generation_prompt);
  jinja::Rendered rendered = template_.render(variables, request.now);
  RenderedChat result{std::move(rendered.text), std::move(rendered.generations)};
  if (request.continue_final_message) cut_at_tag(result, final_text, where_);
  return result;
}

JsonValue chat_message(std::string_view role, std::string_view content) {
  JsonValue message = JsonValue::object();
  message.set("role", role).set("content", content);
  return message;
}

JsonValue with_parsed_arguments(const JsonValue& messages) {
  const auto* list = messages.get_if<JsonValue::Array>();
  if (list == nullptr) return messages;
  JsonValue::Array changed = *list;
  for (JsonValue& message : changed) {
    const JsonValue* calls = message.find("tool_calls");
    const auto* entries = calls == nullptr ? nullptr : calls->get_if<JsonValue::Array>();
    if (entries == nullptr) continue;
    JsonValue::Array parsed = *entries;
    for (JsonValue& call : parsed) {
      const JsonValue* function = call.find("function");
      const JsonValue* arguments = function == nullptr ? nullptr : function->find("arguments");
      const auto* text = arguments == nullptr ? nullptr : arguments->get_if<std::string>();
      if (text == nullptr) continue;
      try {
        JsonValue object = io::parse_json(*text, "arguments");
        if (object.get_if<JsonValue::Object>() == nullptr) continue;
        JsonValue copy = *function;
        copy.set("arguments", std::move(object));
        call.set("function", std::move(copy));
      } catch (const Error&) {
        continue;  // a string that is no JSON: the template shows it as it is
      }
    }
    message.set("tool_calls", parsed);
  }
  return changed;
}

}  // namespace cadre::text
