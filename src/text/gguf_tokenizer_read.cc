#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "core/base/error.h"
#include "core/io/json_value.h"
#include "text/char_bpe_model.h"
#include "text/gguf_pre_types.h"
#include "text/gguf_tokenizer.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_writer.h"
#include "text/tokenizer_builder.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

using nlohmann::ordered_json;
using Type = SentencePieceModel::Type;

constexpr const char* kModel = "tokenizer.ggml.model";
constexpr const char* kTokens = "tokenizer.ggml.tokens";

// The lists that every kind has.
struct Vocabulary {
  std::vector<std::string_view> tokens;  // views of the file
  std::vector<Type> types;
};

Vocabulary read_vocabulary(const io::GgufFile& file) {
  Vocabulary vocabulary;
  vocabulary.tokens = file.strings(kTokens);
  if (vocabulary.tokens.empty() || vocabulary.tokens.size() > INT32_MAX) {
    fail(ErrorKind::corrupt_data, "{} has {} tokens, expected 1 to 2^31", file.where(kTokens),
         vocabulary.tokens.size());
  }
  vocabulary.types.assign(vocabulary.tokens.size(), Type::normal);
  constexpr const char* kTypes = "tokenizer.ggml.token_type";
  if (!file.has(kTypes)) return vocabulary;
  const std::vector<int64_t> types = file.integers(kTypes);
  if (types.size() != vocabulary.tokens.size()) {
    fail(ErrorKind::corrupt_data, "{} has {} entries, expected {}, one for each token",
         file.where(kTypes), types.size(), vocabulary.tokens.size());
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] < 1 || types[i] > 6) {
      fail(ErrorKind::corrupt_data, "{}[{}] is {}, expected 1 to 6", file.where(kTypes), i,
           types[i]);
    }
    vocabulary.types[i] = static_cast<Type>(types[i]);
  }
  return vocabulary;
}

// An id in the vocabulary; -1 if the file names none. Some writers state that as the largest u32.
int32_t read_id(const io::GgufFile& file, const char* role, size_t tokens, int32_t otherwise) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", role);
  const int64_t id = file.integer_or(key, otherwise);
  if (id < 0 || id == UINT32_MAX) return -1;
  if (id >= static_cast<int64_t>(tokens)) {
    fail(ErrorKind::corrupt_data, "{} = {}, expected less than the {} tokens there are",
         file.where(key), id, tokens);
  }
  return static_cast<int32_t>(id);
}

// The ids around the text.
struct Roles {
  int32_t bos;
  int32_t eos;
  bool add_bos;
  bool add_eos;
};

Roles read_roles(const io::GgufFile& file, size_t tokens, bool llama, bool add_bos) {
  Roles roles = {.bos = read_id(file, "bos", tokens, llama ? 1 : -1),
                 .eos = read_id(file, "eos", tokens, llama ? 2 : -1),
                 .add_bos = file.flag_or("tokenizer.ggml.add_bos_token", add_bos),
                 .add_eos = file.flag_or("tokenizer.ggml.add_eos_token", false)};
  roles.add_bos = roles.add_bos && roles.bos >= 0;
  roles.add_eos = roles.add_eos && roles.eos >= 0;
  return roles;
}

// --- byte-level BPE: the text of a tokenizer.json

ordered_json vocab_json(const io::GgufFile& file, const Vocabulary& vocabulary) {
  std::unordered_map<std::string_view, size_t> first;
  // ordered_json looks through all members at each insertion; pairs in a row do not.
  ordered_json::object_t vocab;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string_view token = vocabulary.tokens[id];
    if (const auto [known, is_new] = first.emplace(token, id); !is_new) {
      fail(ErrorKind::corrupt_data, "{}: tokens {} and {} are both {}", file.where(kTokens),
           known->second, id, io::json_quote(token));
    }
    if (!is_valid_utf8(token)) {
      fail(ErrorKind::corrupt_data, "{}[{}] is not UTF-8", file.where(kTokens), id);
    }
    vocab.std::vector<ordered_json::object_t::value_type>::emplace_back(std::string(token), id);
  }
  return vocab;
}

ordered_json added_json(const Vocabulary& vocabulary) {
  ordered_json added = ordered_json::array();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Type type = vocabulary.types[id];
    if (type != Type::control && type != Type::user_defined && type != Type::unknown) continue;
    added.push_back({{"id", id},
                     {"content", vocabulary.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type != Type::user_defined}});
  }
  return added;
}

ordered_json merges_json(const io::GgufFile& file) {
  constexpr const char* kMerges = "tokenizer.ggml.merges";
  ordered_json merges = ordered_json::array();
  for (const std::string_view merge : file.strings(kMerges)) {
    // A token may begin with a space in no written form, so the first space after one character
    // divides, as in llama.cpp.
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || !is_valid_utf8(merge)) {
      fail(ErrorKind::corrupt_data, "{}[{}] is not two tokens with a space between",
           file.where(kMerges), merges.size());
    }
    merges.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  return merges;
}

ordered_json post_processor_json(const Vocabulary& vocabulary, const Roles& roles) {
  ordered_json single = ordered_json::array();
  ordered_json specials = ordered_json::object();
  const auto add = [&](int32_t id) {
    const std::string token(vocabulary.tokens[static_cast<size_t>(id)]);
    single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    specials[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
  };
  if (roles.add_bos) add(roles.bos);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (roles.add_eos) add(roles.eos);
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", ordered_json::array()},
          {"special_tokens", specials}};
}

Tokenizer read_byte_level(const io::GgufFile& file) {
  const std::string name = file.string_or("tokenizer.ggml.pre", "default");
  const GgufPreType* pre = find_gguf_pre_type(name);
  if (pre == nullptr) {
    fail(ErrorKind::unsupported, "{} is \"{}\", which is not known; known: {}",
         file.where("tokenizer.ggml.pre"), name, known_gguf_pre_types());
  }
  const Vocabulary vocabulary = read_vocabulary(file);
  const Roles roles = read_roles(file, vocabulary.tokens.size(), false, pre->add_bos);
  const ordered_json byte_level = {{"type", "ByteLevel"},
                                   {"add_prefix_space", false},
                                   {"trim_offsets", true},
                                   {"use_regex", true}};
  ordered_json model = {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", nullptr},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", false},
                        {"byte_fallback", false},
                        {"ignore_merges", pre->ignore_merges}};
  model["vocab"] = vocab_json(file, vocabulary);
  model["merges"] = merges_json(file);
  ordered_json pre_tokenizer = ordered_json::parse(pre->pre_tokenizer);
  if (file.flag_or("tokenizer.ggml.add_space_prefix", false)) {
    fail(ErrorKind::unsupported, "{} is true, expected false with byte-level BPE",
         file.where("tokenizer.ggml.add_space_prefix"));
  }
  ordered_json document = {{"version", "1.0"},
                           {"truncation", nullptr},
                           {"padding", nullptr},
                           {"added_tokens", added_json(vocabulary)},
                           {"normalizer", nullptr},
                           {"pre_tokenizer", std::move(pre_tokenizer)},
                           {"post_processor", post_processor_json(vocabulary, roles)},
                           {"decoder", byte_level}};
  document["model"] = std::move(model);
  return Tokenizer::from_json(document.dump(2) + "\n", file.path().string());
}

// --- SentencePiece BPE

Tokenizer read_sentencepiece(const io::GgufFile& file) {
  constexpr const char* kScores = "tokenizer.ggml.scores";
  const Vocabulary vocabulary = read_vocabulary(file);
  const std::vector<double> scores = file.numbers(kScores);
  if (scores.size() != vocabulary.tokens.size()) {
    fail(ErrorKind::corrupt_data, "{} has {} entries, expected {}, one for each token",
         file.where(kScores), scores.size(), vocabulary.tokens.size());
  }
  const Roles roles = read_roles(file, vocabulary.tokens.size(), true, true);
  const int32_t unknown = read_id(file, "unknown", vocabulary.tokens.size(), 0);
  SentencePieceModel model;
  model.kind = SentencePieceModel::Kind::bpe;
  SentencePieceSetup setup;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    Type type = vocabulary.types[id];
    const std::string token(vocabulary.tokens[id]);
    // Some files call added tokens unknown, or the unknown token a control token.
    if (type == Type::unknown) type = Type::control;
    if (static_cast<int32_t>(id) == unknown) type = Type::unknown;
    model.byte_fallback = model.byte_fallback || type == Type::byte;
    if (type == Type::user_defined) {
      // Looked for before the model runs, as a text of its own.
      setup.added_tokens.push_back({.id = static_cast<int32_t>(id), .content = token});
    }
    model.pieces.push_back({token, static_cast<float>(scores[id]), type});
  }
  model.bos_id = roles.bos;
  model.eos_id = roles.eos;
  model.remove_extra_whitespaces = file.flag_or("tokenizer.ggml.remove_extra_whitespaces", false);
  model.add_dummy_prefix = file.flag_or("tokenizer.ggml.add_space_prefix", true);
  setup.add_bos = roles.add_bos;
  setup.add_eos = roles.add_eos;
  setup.bos_id = roles.bos;
  setup.eos_id = roles.eos;
  std::vector<TokenizerFile> files = {{"tokenizer.model", sentencepiece_bytes(model)}};
  return make_sentencepiece_tokenizer(model, setup, file.path().string(), std::move(files));
}

}  // namespace

bool has_gguf_tokenizer(const io::GgufFile& file) {
  return file.string_or(kModel, "no_vocab") != "no_vocab";
}

Tokenizer read_gguf_tokenizer(const io::GgufFile& file) {
  if (!has_gguf_tokenizer(file)) {
    fail(ErrorKind::not_found, "{}: holds no tokenizer", file.path().string());
  }
  const std::string model = file.string(kModel);
  if (model == "gpt2") return read_byte_level(file);
  if (model == "llama") return read_sentencepiece(file);
  fail(ErrorKind::unsupported, "{} is \"{}\", only gpt2 and llama are supported",
       file.where(kModel), model);
}

TokenizerConfig read_gguf_tokenizer_config(const io::GgufFile& file) {
  TokenizerConfig config;
  config.chat_template = file.string_or("tokenizer.chat_template", "");
  if (!has_gguf_tokenizer(file)) return config;
  const std::vector<std::string_view> tokens = file.strings(kTokens);
  const bool llama = file.string(kModel) == "llama";
  const auto written = [&](const char* role, int32_t otherwise) {
    const int32_t id = read_id(file, role, tokens.size(), otherwise);
    return id < 0 ? std::string() : std::string(tokens[static_cast<size_t>(id)]);
  };
  config.bos_token = written("bos", llama ? 1 : -1);
  config.eos_token = written("eos", llama ? 2 : -1);
  config.pad_token = written("padding", -1);
  config.unk_token = written("unknown", llama ? 0 : -1);
  return config;
}

}  // namespace cadre::text
