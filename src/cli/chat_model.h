// What a conversation needs of a model beside its weights: tokenizer, chat template, and where its
// answers end.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/spec.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace cadre::cli {

// The chat template: the one that --chat-template names, else the model's own (that for tools if
// there are some), else one of Cadre's for the family. Throws Error(not_found) if there is none.
text::ChatTemplate chat_template_of(const std::filesystem::path& place,
                                    const model::ModelSpec& spec, const text::Tokenizer& tokenizer,
                                    const std::string& name, bool with_tools);

// Tokens that end an answer: the model's end of text, and what the template puts behind an
// assistant's message, if that is a special token.
std::vector<int32_t> chat_stop_tokens(const std::filesystem::path& place,
                                      const model::ModelSpec& spec,
                                      const text::Tokenizer& tokenizer,
                                      const text::ChatTemplate& chat);

// The prompt's tokens. Templates write special tokens themselves, so none are added.
std::vector<int32_t> encode_chat(const text::Tokenizer& tokenizer, const std::string& prompt);

// For --chat-template.
std::string chat_template_help();

}  // namespace cadre::cli
