// The conversation in a terminal: lines, commands, answers as they come.
#pragma once

#include <string>

#include "cli/chat_session.h"

namespace cadre::cli {

struct ChatConsoleOptions {
  bool verbose = false;      // tokens per second after each answer
  bool show_prompt = false;  // what the model is given, before each answer
  std::string history_file;  // "" for none
};

// Until the user leaves: /exit, Ctrl-D, or Ctrl-C twice. Ctrl-C during an answer stops it, a second
// one the program.
void run_chat_console(ChatSession& session, const ChatConsoleOptions& options);

// "12 tokens of 40 read (28 known) at 100 tokens/s, 25 written at 9.3 tokens/s (stop_token)".
std::string chat_speed(const ChatAnswer& answer);

// {"role": "assistant", "content": ...} with figures.
io::JsonValue chat_answer_json(const ChatAnswer& answer);

// A conversation from a file: an array of messages, or an object with "messages" and perhaps
// "tools"; those of an earlier one are forgotten.
void load_chat(ChatSession& session, const std::string& file);

}  // namespace cadre::cli
