// Tokenizer::load: which files a place holds, and what those beside the vocabulary say.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/error.h"
#include "core/base/file.h"
#include "text/gguf_tokenizer.h"
#include "text/json_field.h"
#include "text/published_setups.h"
#include "text/tokenizer_builder.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_data.h"

namespace cadre::text {
namespace {

namespace fs = std::filesystem;

// Ids are keys of the object: "31998".
int32_t id_of_key(const JsonField& field, const std::string& key) {
  int64_t id = 0;
  for (char c : key) {
    if (c < '0' || c > '9' || id > INT32_MAX / 10) field.corrupt("is not under the id of a token");
    id = id * 10 + (c - '0');
  }
  if (key.empty() || id > INT32_MAX) field.corrupt("is not under the id of a token");
  return static_cast<int32_t>(id);
}

// Adds a token, or changes the one with its content.
void set_token(AddedToken token, std::vector<AddedToken>& tokens) {
  const auto known = std::ranges::find(tokens, token.content, &AddedToken::content);
  if (known == tokens.end()) {
    tokens.push_back(std::move(token));
  } else {
    *known = std::move(token);
  }
}

void mark_special(const std::string& content, const SentencePieceModel& model,
                  std::vector<AddedToken>& tokens) {
  if (content.empty()) return;
  const auto known = std::ranges::find(tokens, content, &AddedToken::content);
  if (known != tokens.end()) {
    known->special = true;
    return;
  }
  // A role that names nothing in the vocabulary does not make a token.
  if (std::ranges::find(model.pieces, content, &SentencePieceModel::Piece::text) !=
      model.pieces.end()) {
    tokens.push_back({.id = -1, .content = content, .special = true});
  }
}

class FolderReader {
 public:
  FolderReader(const fs::path& folder, const SentencePieceModel& model)
      : folder_(folder), model_(model) {}

  SentencePieceSetup read(std::vector<TokenizerFile>& files) {
    if (const auto published = published_setup(model_)) setup_ = *published;
    const bool published = !setup_.added_tokens.empty();
    read_if_there("added_tokens.json", files, [&](const JsonField& root) {
      root.for_each_member([&](const std::string& content, const JsonField& id) {
        const auto value = static_cast<int32_t>(id.integer(0, INT32_MAX));
        set_token({.id = value, .content = content}, setup_.added_tokens);
      });
    });
    read_if_there("tokenizer_config.json", files,
                  [&](const JsonField& root) { read_config(root, published); });
    const TokenizerConfig roles = read_tokenizer_config(folder_);
    for (const std::string& role :
         {roles.bos_token, roles.eos_token, roles.pad_token, roles.unk_token}) {
      mark_special(role, model_, setup_.added_tokens);
    }
    if (fs::exists(folder_ / "special_tokens_map.json")) {
      files.push_back(
          {"special_tokens_map.json", read_text_file(folder_ / "special_tokens_map.json")});
    }
    setup_.bos_id = id_of(roles.bos_token);
    setup_.eos_id = id_of(roles.eos_token);
    return std::move(setup_);
  }

 private:
  template <typename Read>
  void read_if_there(const char* name, std::vector<TokenizerFile>& files, const Read& read) {
    const fs::path file = folder_ / name;
    if (!fs::exists(file)) return;
    files.push_back({name, read_text_file(file)});
    const nlohmann::json document = parse_json(files.back().content, file.string());
    read(JsonField(document, file.string()));
  }

  void read_config(const JsonField& root, bool published) {
    if (const auto decoder = root.find("added_tokens_decoder")) {
      decoder->for_each_member([&](const std::string& key, const JsonField& token) {
        set_token({.id = id_of_key(token, key),
                   .content = token.at("content").text(),
                   .single_word = token.flag_or("single_word", false),
                   .lstrip = token.flag_or("lstrip", false),
                   .rstrip = token.flag_or("rstrip", false),
                   .normalized = false,
                   .special = token.flag_or("special", false)},
                  setup_.added_tokens);
      });
    }
    if (const auto more = root.find("additional_special_tokens")) {
      more->for_each_element([&](const JsonField& token) {
        const std::string& content =
            token.value().is_object() ? token.at("content").text() : token.text();
        const auto known = std::ranges::find(setup_.added_tokens, content, &AddedToken::content);
        if (known != setup_.added_tokens.end()) {
          known->special = true;
        } else {
          setup_.added_tokens.push_back({.id = -1, .content = content, .special = true});
        }
      });
    }
    // Whoever uses the published vocabularies overrides what their files say about these.
    if (published) return;
    setup_.add_bos = root.flag_or("add_bos_token", true);
    setup_.add_eos = root.flag_or("add_eos_token", false);
    const bool legacy = root.text_or("tokenizer_class", "") != "ArcticTokenizer";
    setup_.prefix_every_stretch = root.flag_or("legacy", legacy);
  }

  int32_t id_of(const std::string& content) const {
    if (content.empty()) return -1;
    const auto added = std::ranges::find(setup_.added_tokens, content, &AddedToken::content);
    if (added != setup_.added_tokens.end() && added->id >= 0) return added->id;
    const auto piece = std::ranges::find(model_.pieces, content, &SentencePieceModel::Piece::text);
    return piece == model_.pieces.end() ? -1 : static_cast<int32_t>(piece - model_.pieces.begin());
  }

  const fs::path& folder_;
  const SentencePieceModel& model_;
  SentencePieceSetup setup_;
};

Tokenizer from_bytes(std::string bytes, const fs::path& file) {
  const size_t begin = bytes.find_first_not_of(" \t\r\n");
  // No ModelProto begins with a brace: it would be a field of shape 3, which there is not.
  if (begin != std::string::npos && bytes[begin] == '{') {
    return Tokenizer::from_json(std::move(bytes), file.string());
  }
  const SentencePieceModel model = read_sentencepiece_model(bytes, file.string());
  const SentencePieceSetup setup = published_setup(model).value_or(SentencePieceSetup{});
  return make_sentencepiece_tokenizer(model, setup, file.string(),
                                      {{"tokenizer.model", std::move(bytes)}});
}

}  // namespace

Tokenizer Tokenizer::load(const fs::path& place) {
  if (io::is_gguf_file(place)) return read_gguf_tokenizer(*io::GgufFile::open(place));
  if (!fs::is_directory(place)) return from_bytes(read_text_file(place), place);
  if (const fs::path file = place / "tokenizer.json"; fs::exists(file)) {
    return from_json(read_text_file(file), file.string());
  }
  const fs::path file = place / "tokenizer.model";
  if (!fs::exists(file)) {
    fail(ErrorKind::not_found, "{}: holds neither tokenizer.json nor tokenizer.model",
         place.string());
  }
  std::vector<TokenizerFile> files = {{"tokenizer.model", read_text_file(file)}};
  const SentencePieceModel model = read_sentencepiece_model(files[0].content, file.string());
  const SentencePieceSetup setup = FolderReader(place, model).read(files);
  return make_sentencepiece_tokenizer(model, setup, file.string(), std::move(files));
}

}  // namespace cadre::text
