#include "text/tokenizer_config.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/error.h"
#include "core/base/file.h"
#include "text/gguf_tokenizer.h"
#include "text/json_field.h"
#include "text/sentencepiece_model.h"

namespace cadre::text {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct Role {
  const char* key;
  std::string TokenizerConfig::*token;
};

constexpr std::array<Role, 4> kRoles = {{{"bos_token", &TokenizerConfig::bos_token},
                                         {"eos_token", &TokenizerConfig::eos_token},
                                         {"pad_token", &TokenizerConfig::pad_token},
                                         {"unk_token", &TokenizerConfig::unk_token}}};

// A token is its written form or an object that has it as "content".
void read_roles(const JsonField& root, TokenizerConfig& config) {
  for (const Role& role : kRoles) {
    const std::optional<JsonField> field = root.find(role.key);
    if (!field || !(config.*role.token).empty()) continue;
    config.*role.token = field->value().is_object() ? field->at("content").text() : field->text();
  }
}

// A template, or a list of named ones of which "default" is meant.
std::string read_chat_template(const JsonField& field) {
  if (field.value().is_string()) return field.text();
  std::string found;
  field.for_each_element([&](const JsonField& element) {
    if (element.at("name").text() == "default") found = element.at("template").text();
  });
  return found;
}

// Files of published models say 1000000000000000019884624838656 for "no limit".
int64_t read_length(const JsonField& field) {
  if (!field.value().is_number()) field.corrupt("expected a number");
  const auto length = field.value().get<double>();
  return length >= 1.0 && length < 1e15 ? static_cast<int64_t>(length) : 0;
}

ordered_json added_tokens_decoder(const Tokenizer& tokenizer) {
  const json document = parse_json(tokenizer.to_json(), "tokenizer.json");
  ordered_json decoder = ordered_json::object();
  const auto added = document.find("added_tokens");
  if (added == document.end() || !added->is_array()) return decoder;
  for (const json& token : *added) {
    const std::string content = token.at("content").get<std::string>();
    ordered_json entry = {{"content", content}};
    for (const char* flag : {"lstrip", "normalized", "rstrip", "single_word", "special"}) {
      entry[flag] = token.at(flag).get<bool>();
    }
    decoder[std::to_string(tokenizer.token_to_id(content))] = std::move(entry);
  }
  return decoder;
}

// Pieces that are looked for before the model runs, as a text between two others: said here too,
// for readers of SentencePiece files treat them as characters of the text around.
ordered_json user_defined_pieces(const Tokenizer& tokenizer) {
  const TokenizerFile& file = tokenizer.files().front();
  const SentencePieceModel model = read_sentencepiece_model(file.content, file.name);
  ordered_json decoder = ordered_json::object();
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].type != SentencePieceModel::Type::user_defined) continue;
    decoder[std::to_string(id)] = {{"content", model.pieces[id].text},
                                   {"lstrip", false},
                                   {"normalized", false},
                                   {"rstrip", false},
                                   {"single_word", false},
                                   {"special", false}};
  }
  return decoder;
}

// What the roles are added to: the configuration that came with a SentencePiece model, for it says
// what its added tokens are; or else one that says what the tokenizer does.
ordered_json original_config(const Tokenizer& tokenizer, const TokenizerConfig& config) {
  if (tokenizer.files().empty() || tokenizer.files().front().name != "tokenizer.model") {
    return {{"clean_up_tokenization_spaces", false},
            {"add_prefix_space", false},
            {"added_tokens_decoder", added_tokens_decoder(tokenizer)},
            {"tokenizer_class", "PreTrainedTokenizerFast"}};
  }
  for (const TokenizerFile& file : tokenizer.files()) {
    if (file.name == "tokenizer_config.json") return ordered_json::parse(file.content);
  }
  // What stands around an empty text is what the tokenizer adds.
  const std::vector<int32_t> around = tokenizer.encode("");
  const auto is = [&](int32_t id, const std::string& token) {
    return !token.empty() && id == tokenizer.token_to_id(token);
  };
  const bool bos = !around.empty() && is(around.front(), config.bos_token);
  const bool eos = around.size() > (bos ? 1 : 0) && is(around.back(), config.eos_token);
  return {{"clean_up_tokenization_spaces", false},
          {"add_bos_token", bos},
          {"add_eos_token", eos},
          {"legacy", true},
          {"added_tokens_decoder", user_defined_pieces(tokenizer)},
          {"tokenizer_class", "LlamaTokenizer"}};
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
  if (io::is_gguf_file(folder)) return read_gguf_tokenizer_config(*io::GgufFile::open(folder));
  TokenizerConfig config;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path file = folder / name;
    if (!std::filesystem::exists(file)) continue;
    const json document = parse_json(read_text_file(file), file.string());
    const JsonField root(document, file.string());
    read_roles(root, config);
    if (const auto field = root.find("model_max_length")) {
      config.model_max_length = read_length(*field);
    }
    if (const auto field = root.find("chat_template")) {
      config.chat_template = read_chat_template(*field);
    }
  }
  return config;
}

void write_tokenizer_config(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                            const TokenizerConfig& config) {
  ordered_json roles = ordered_json::object();
  for (const Role& role : kRoles) {
    const std::string& token = config.*role.token;
    if (token.empty()) continue;
    static_cast<void>(tokenizer.required_id(token));
    roles[role.key] = token;
  }
  ordered_json document = original_config(tokenizer, config);
  document.update(roles);
  if (config.model_max_length > 0) document["model_max_length"] = config.model_max_length;
  if (!config.chat_template.empty()) document["chat_template"] = config.chat_template;
  write_file_atomically(folder / "tokenizer_config.json", document.dump(2) + "\n");
  write_file_atomically(folder / "special_tokens_map.json", roles.dump(2) + "\n");
}

}  // namespace cadre::text
