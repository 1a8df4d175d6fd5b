// The files beside tokenizer.json: tokenizer_config.json and special_tokens_map.json, which say
// what special tokens are for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "text/tokenizer.h"

namespace cadre::text {

// Written forms of tokens by role, "" where there is none. Ids come from the tokenizer; some
// published configurations name tokens whose ids the model was not trained with, so a model's own
// configuration goes before this one.
struct TokenizerConfig {
  std::string bos_token;
  std::string eos_token;
  std::string pad_token;
  std::string unk_token;
  int64_t model_max_length = 0;  // 0: not stated
  std::string chat_template;     // Jinja source
};

// Reads the keys of a GGUF file, or of a folder its tokenizer_config.json, then
// special_tokens_map.json for roles that are still open; a file that is not there says nothing.
// Fields without a place here are left to whoever needs them. Throws Error(corrupt_data) that names
// file and field.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

// Writes both files into the folder, each atomically, so that AutoTokenizer of transformers loads
// it together with tokenizer.json. Throws Error(not_found) if a role names a token that the
// tokenizer does not have.
void write_tokenizer_config(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                            const TokenizerConfig& config);

}  // namespace cadre::text
