// Where chat templates are found: in a checkpoint's files, or among those that Cadre brings.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace cadre::text {

// The templates of a checkpoint, by name. Most have one, called "default"; others add "tool_use" or
// "rag".
struct ChatTemplateSet {
  struct Named {
    std::string name;
    std::string source;
    std::string where;  // for messages: the file
  };
  std::vector<Named> templates;
  SpecialTokens special_tokens;

  bool empty() const { return templates.empty(); }
  // The one of that name; without a name, "tool_use" for a request with tools if there is one, else
  // "default". Throws Error(not_found) that lists what there is.
  ChatTemplate choose(std::string_view name, bool with_tools) const;
};

// What a GGUF file's metadata hold: tokenizer.chat_template, tokenizer.chat_template.NAME, and
// special tokens by their ids. Throws Error(corrupt_data) naming file and key.
ChatTemplateSet read_gguf_chat_templates(const std::filesystem::path& file);

// Reads a model folder: chat_template.jinja and additional_chat_templates/NAME.jinja, else the
// chat_template of tokenizer_config.json, a text or a list of named ones; and the special tokens of
// tokenizer_config.json and special_tokens_map.json. What is not there gives nothing. Throws
// Error(corrupt_data) naming file and field.
ChatTemplateSet read_chat_templates(const std::filesystem::path& folder);

// Templates for families whose checkpoints may lack one, by name: olmoe, mistral-v1, mistral-v3,
// mistral-v3-spm, chatml and yuan. Written from the descriptions of their formats; each marks the
// assistant's part. "spm" is for tokenizers that put a space of their own behind each special
// token, as SentencePiece models do. Nothing for other names.
std::optional<std::string> builtin_chat_template(std::string_view name);
// "olmoe, mistral, ...", for messages and help.
std::string builtin_chat_template_names();

// What --chat-template names: a built-in template ("mistral" is v3, with or without spm, if the
// tokenizer has [INST] as a token, else v1), a file with Jinja in it, or the name of one of the
// set's templates.
ChatTemplate find_chat_template(const std::string& name, const ChatTemplateSet& set,
                                const Tokenizer& tokenizer);

}  // namespace cadre::text
