// A conversation to the text that a model continues.
//
// Checkpoints say how by a Jinja template over `messages`, `tools`, `documents`,
// `add_generation_prompt` and the written forms of special tokens such as `bos_token`; the language
// is that of text/jinja/template.h, the variables those of apply_chat_template in transformers.
#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/json_value.h"
#include "text/jinja/template.h"

namespace cadre::text {

struct ChatRequest {
  // An array of objects with "role" and, mostly, "content": a string, null, or an array of parts
  // {"type": "text", "text": ...}. Further members ("tool_calls", "tool_call_id", "name", ...) are
  // handed to the template as they are; reasoning goes by each of its names, whichever is given.
  io::JsonValue messages = io::JsonValue::array();
  io::JsonValue tools;      // an array of JSON schemas of functions, or null
  io::JsonValue documents;  // an array of objects, or null
  bool add_generation_prompt = true;
  // The text ends inside the last message, whose content is to be continued. Not together with a
  // generation prompt.
  bool continue_final_message = false;
  // Whatever else the template knows, such as enable_thinking. These go before special tokens.
  std::vector<std::pair<std::string, io::JsonValue>> variables;
  std::function<std::tm()> now;  // for strftime_now; the local time if empty
};

struct RenderedChat {
  std::string text;
  // What the model itself would write, as {% generation %} in the template says: [begin, end) in
  // bytes of text. Empty if the template does not say.
  std::vector<std::pair<size_t, size_t>> assistant;
};

using SpecialTokens = std::vector<std::pair<std::string, std::string>>;  // "bos_token", "<s>"

// Immutable and cheap to copy; threads may share it.
class ChatTemplate {
 public:
  // Errors of both are those of jinja::Template; `where` begins their messages.
  ChatTemplate(std::string source, std::string where, SpecialTokens special_tokens);
  // Throws Error(invalid_input), too, for messages that are no array of objects.
  RenderedChat render(const ChatRequest& request) const;

  const std::string& source() const { return source_; }
  const std::string& where() const { return where_; }

 private:
  std::string source_;
  std::string where_;
  SpecialTokens special_tokens_;
  jinja::Template template_;
};

// {"role": role, "content": content}.
io::JsonValue chat_message(std::string_view role, std::string_view content);

// Arguments of tool calls that are objects written as a string, as OpenAI's interface has them,
// made the objects that most templates expect. What is no JSON object stays a string.
io::JsonValue with_parsed_arguments(const io::JsonValue& messages);

}  // namespace cadre::text
