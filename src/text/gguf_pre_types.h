// The names that llama.cpp gives to ways of cutting text into words before byte-level BPE.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace cadre::text {

struct GgufPreType {
  std::vector<std::string_view> names;  // the first is the one to write
  bool ignore_merges = false;           // a word that is a token is that token
  bool add_bos = false;                 // unless the file says otherwise
  // What tokenizer.json calls "pre_tokenizer".
  std::string pre_tokenizer;
};

// Null if no type has the name.
const GgufPreType* find_gguf_pre_type(std::string_view name);
// The type that cuts as this "pre_tokenizer" does; null if there is none.
const GgufPreType* find_gguf_pre_type(const nlohmann::json& pre_tokenizer, bool ignore_merges);
// All names, for messages.
std::string known_gguf_pre_types();

}  // namespace cadre::text
