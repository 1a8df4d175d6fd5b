// A conversation with a model: its messages, and the cache behind them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/json_value.h"
#include "infer/session.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace cadre::cli {

struct ChatAnswer {
  std::string text;
  infer::GenerateResult result;
  int64_t prompt_tokens = 0;
  int64_t dropped_turns = 0;  // the oldest, which no longer fitted
};

// Belongs to one thread; the model must outlive it.
class ChatSession {
 public:
  // `generate` has stop tokens and sampler; its max_tokens bounds each answer.
  ChatSession(Context& ctx, const model::Decoder& decoder, text::Tokenizer tokenizer,
              text::ChatTemplate chat, infer::GenerateOptions generate,
              const infer::EngineOptions& engine = {});

  // Forgets the oldest turns when the conversation outgrows the context, instead of an error.
  void set_drop_oldest(bool drop) { drop_oldest_ = drop; }
  // Strings that end an answer.
  void set_stop(std::vector<std::string> stop);
  void set_tools(io::JsonValue tools) { tools_ = std::move(tools); }
  const io::JsonValue& tools() const { return tools_; }  // null for none
  infer::SamplerOptions& sampler() { return generate_.sampler; }

  // --- the messages
  void set_system(std::string_view text);  // "" for none
  std::string system() const;
  void add(std::string_view role, std::string_view content);
  // Replaces all of them. Throws Error(invalid_input) if they are no array of objects.
  void set_messages(const io::JsonValue& messages);
  const io::JsonValue::Array& messages() const { return messages_; }
  bool empty() const;  // but for the system's
  void clear();        // all but the system's
  // Takes back the last message of the user and all behind it; nothing if there is none.
  std::optional<std::string> undo();
  // Takes back what stands behind the last message of the user; false if there is none.
  bool undo_answer();
  // Messages as messages() gave them.
  void restore(io::JsonValue::Array messages) { messages_ = std::move(messages); }

  // The text that the model would go on from.
  std::string prompt() const;
  // Answers, showing each piece as soon as it is whole, and keeps the answer as a message, a
  // cancelled one as far as it came. Throws Error(exhausted) if the conversation does not fit the
  // context, and the errors of the template.
  ChatAnswer answer(const std::function<void(std::string_view)>& show,
                    const std::function<bool()>& keep_going);

 private:
  // The prompt's tokens, oldest turns dropped as needed and allowed.
  std::vector<int32_t> prompt_tokens(int64_t& dropped);
  bool drop_oldest_turn();

  Context& ctx_;
  text::Tokenizer tokenizer_;
  text::ChatTemplate chat_;
  infer::GenerateOptions generate_;
  infer::Session session_;
  io::JsonValue::Array messages_;
  io::JsonValue tools_;
  std::vector<std::string> stop_;
  bool drop_oldest_ = false;
};

}  // namespace cadre::cli
