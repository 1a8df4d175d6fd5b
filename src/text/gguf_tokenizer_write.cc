#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/file.h"
#include "text/char_bpe_model.h"
#include "text/gguf_pre_types.h"
#include "text/gguf_tokenizer.h"
#include "text/gguf_tokenizer_copy.h"
#include "text/json_field.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer_reader.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Type = SentencePieceModel::Type;

// What GGUF keeps of a token.
struct Entry {
  std::string text;
  float score = 0.0f;
  Type type = Type::unused;
  bool present = false;
};

class Vocabulary {
 public:
  explicit Vocabulary(std::string where) : where_(std::move(where)) {}

  Entry& at(int64_t id) {
    // Far beyond any model; a file may claim an id of 2^31.
    constexpr int64_t kMaxTokens = 1 << 24;
    if (id < 0 || id >= kMaxTokens) {
      fail(ErrorKind::unsupported, "{}: token {} is beyond the limit of {}", where_, id,
           kMaxTokens);
    }
    if (id >= static_cast<int64_t>(entries_.size())) entries_.resize(static_cast<size_t>(id) + 1);
    return entries_[static_cast<size_t>(id)];
  }

  int64_t size() const { return static_cast<int64_t>(entries_.size()); }

  // -1 if no token is written so.
  int64_t id_of(const std::string& text) const {
    if (text.empty()) return -1;
    const auto found = std::ranges::find_if(
        entries_, [&](const Entry& entry) { return entry.present && entry.text == text; });
    return found == entries_.end() ? -1 : found - entries_.begin();
  }

  // Fills gaps, and ids up to vocab_size, with tokens that no text becomes.
  void write(int64_t vocab_size, bool scores, io::GgufMetadata& metadata) {
    if (size() > vocab_size) {
      fail(ErrorKind::invalid_input, "{}: has {} tokens, more than the model's vocabulary of {}",
           where_, size(), vocab_size);
    }
    entries_.resize(static_cast<size_t>(vocab_size));
    std::vector<std::string> texts;
    std::vector<int32_t> types;
    std::vector<float> all_scores;
    for (size_t id = 0; id < entries_.size(); ++id) {
      Entry& entry = entries_[id];
      texts.push_back(entry.present ? std::move(entry.text) : fmt::format("[PAD{}]", id));
      types.push_back(static_cast<int32_t>(entry.present ? entry.type : Type::unused));
      all_scores.push_back(entry.present ? entry.score : -1000.0f);
    }
    metadata.set("tokenizer.ggml.tokens", std::move(texts));
    if (scores) metadata.set("tokenizer.ggml.scores", std::move(all_scores));
    metadata.set("tokenizer.ggml.token_type", std::move(types));
  }

 private:
  std::string where_;
  std::vector<Entry> entries_;
};

void read_added_tokens(const JsonField& root, Vocabulary& vocabulary) {
  const auto field = root.find("added_tokens");
  if (!field) return;
  field->for_each_element([&](const JsonField& element) {
    Entry& entry = vocabulary.at(element.at("id").integer(0, INT32_MAX));
    if (element.at("content").text().empty()) return;
    entry.text = element.at("content").text();
    entry.type = element.at("special").flag() ? Type::control : Type::user_defined;
    entry.present = true;
  });
}

std::pair<std::string, std::string> read_merge(const JsonField& field) {
  const json& merge = field.value();
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  const std::string& line = field.text();
  const size_t space = line.find(' ');
  if (space == std::string::npos) field.corrupt("is not two tokens with a space between");
  return {line.substr(0, space), line.substr(space + 1)};
}

// The steps of "normalizer", those of sequences one after another.
void for_each_normalizer(const JsonField& field, int depth,
                         const std::function<void(const JsonField& step)>& visit) {
  check_depth(field, depth);
  if (field.at("type").text() != "Sequence") return visit(field);
  field.at("normalizers").for_each_element([&](const JsonField& element) {
    for_each_normalizer(element, depth + 1, visit);
  });
}

[[noreturn]] void refuse_step(const JsonField& step) {
  step.unsupported("\"" + step.at("type").text() + "\" has no place in GGUF");
}

// --- byte-level BPE

// Whether there is a normaliser, which can be NFC only.
bool has_nfc(const JsonField& root) {
  bool found = false;
  if (const auto field = root.find("normalizer")) {
    for_each_normalizer(*field, 0, [&](const JsonField& step) {
      if (step.at("type").text() != "NFC") refuse_step(step);
      found = true;
    });
  }
  return found;
}

void write_byte_level(const JsonField& root, const JsonField& model, int64_t vocab_size,
                      io::GgufMetadata& metadata) {
  const bool ignore_merges = model.flag_or("ignore_merges", false);
  const JsonField cutting = root.at("pre_tokenizer");
  const GgufPreType* pre = find_gguf_pre_type(cutting.value(), ignore_merges);
  if (pre == nullptr) cutting.unsupported("has no name in GGUF");
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  // Llama.cpp cuts OLMo's text as GPT-2's, but NFC is what tells them apart.
  const bool normalised = has_nfc(root);
  metadata.set(
      "tokenizer.ggml.pre",
      std::string(normalised && pre->names.front() == "gpt-2" ? "olmo" : pre->names.front()));
  Vocabulary vocabulary(root.place());
  model.at("vocab").for_each_member([&](const std::string& token, const JsonField& id) {
    vocabulary.at(id.integer(0, INT32_MAX)) = {token, 0.0f, Type::normal, true};
  });
  read_added_tokens(root, vocabulary);
  std::vector<std::string> merges;
  model.at("merges").for_each_element([&](const JsonField& element) {
    const auto [left, right] = read_merge(element);
    if (left.find(' ') != std::string::npos || right.find(' ') != std::string::npos) {
      element.unsupported("holds a space, which GGUF puts between the two tokens");
    }
    merges.push_back(left + " " + right);
  });
  vocabulary.write(vocab_size, /*scores=*/false, metadata);
  metadata.set("tokenizer.ggml.merges", std::move(merges));
}

// --- SentencePiece

void start_sentencepiece(io::GgufMetadata& metadata) {
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  metadata.set("tokenizer.ggml.pre", std::string("default"));
}

// Whether spaces become U+2581, and nothing else happens.
bool marks_spaces(const JsonField& step) {
  if (step.at("type").text() != "Replace") return false;
  const auto literal = step.at("pattern").find("String");
  return literal && literal->text() == " " && step.at("content").text() == kSpaceMark;
}

// Whether a space goes before the text, in either of the ways in which files say so. Everything
// else that may happen to text before merges has no place in GGUF, or must be what happens anyhow.
bool adds_space_prefix(const JsonField& root) {
  bool adds = false;
  if (const auto field = root.find("normalizer")) {
    for_each_normalizer(*field, 0, [&](const JsonField& step) {
      const bool prefix =
          step.at("type").text() == "Prepend" && step.at("prepend").text() == kSpaceMark;
      if (!prefix && !marks_spaces(step)) refuse_step(step);
      adds |= prefix;
    });
  }
  const auto cutting = root.find("pre_tokenizer");
  if (!cutting) return adds;
  const std::string& type = cutting->at("type").text();
  if (type == "Metaspace" && cutting->text_or("replacement", kSpaceMark) == kSpaceMark) {
    const bool always = cutting->flag_or("add_prefix_space", true);  // of older files
    return adds || cutting->text_or("prepend_scheme", always ? "always" : "never") != "never";
  }
  // No spaces are left to cut at.
  const bool at_spaces = type == "Split" && cutting->at("pattern").text_or("String", "") == " ";
  if (!at_spaces) refuse_step(*cutting);
  return adds;
}

// Scores that choose merges in the order of the file: a token has the rank of the first merge that
// makes it, negated.
void write_scored_merges(const JsonField& root, const JsonField& model, int64_t vocab_size,
                         io::GgufMetadata& metadata) {
  start_sentencepiece(metadata);
  const bool space_prefix = adds_space_prefix(root);
  Vocabulary vocabulary(root.place());
  std::unordered_map<std::string, int64_t> ids;
  const std::string unknown = model.text_or("unk_token", "");
  model.at("vocab").for_each_member([&](const std::string& token, const JsonField& id) {
    Type type = byte_of_token(token) >= 0 ? Type::byte : Type::normal;
    if (token == unknown) type = Type::unknown;
    ids[token] = id.integer(0, INT32_MAX);
    vocabulary.at(ids[token]) = {token, -1e9f, type, true};
  });
  float rank = 0.0f;
  model.at("merges").for_each_element([&](const JsonField& element) {
    const auto [left, right] = read_merge(element);
    const auto found = ids.find(left + right);
    if (found == ids.end()) element.corrupt("makes a token that is not in the vocabulary");
    Entry& entry = vocabulary.at(found->second);
    rank += 1.0f;
    if (entry.score == -1e9f) entry.score = -rank;
  });
  read_added_tokens(root, vocabulary);
  if (!unknown.empty() && ids.contains(unknown)) vocabulary.at(ids[unknown]).type = Type::unknown;
  vocabulary.write(vocab_size, /*scores=*/true, metadata);
  metadata.set("tokenizer.ggml.add_space_prefix", space_prefix);
}

void write_json(const fs::path& file, int64_t vocab_size, io::GgufMetadata& metadata) {
  const std::string where = file.string();
  const json document = parse_json(read_text_file(file), where);
  const JsonField root(document, where);
  const JsonField model = root.at("model");
  if (model.text_or("type", "BPE") != "BPE") {
    model.at("type").unsupported("only BPE can be written to GGUF");
  }
  if (model.flag_or("byte_fallback", false)) {
    write_scored_merges(root, model, vocab_size, metadata);
  } else {
    write_byte_level(root, model, vocab_size, metadata);
  }
}

// tokenizer.model, with what tokenizer_config.json says of added tokens.
void write_model(const fs::path& folder, int64_t vocab_size, io::GgufMetadata& metadata) {
  const std::string where = (folder / "tokenizer.model").string();
  const SentencePieceModel model =
      read_sentencepiece_model(read_text_file(folder / "tokenizer.model"), where);
  if (model.kind != SentencePieceModel::Kind::bpe) {
    fail(ErrorKind::unsupported, "{}: is a unigram model, only BPE can be written to GGUF", where);
  }
  if (!model.charsmap.empty() || !model.escape_whitespaces) {
    fail(ErrorKind::unsupported, "{}: {}, for which there is no place in GGUF", where,
         model.charsmap.empty() ? "keeps spaces as they are" : "rewrites characters");
  }
  start_sentencepiece(metadata);
  Vocabulary vocabulary(where);
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    vocabulary.at(static_cast<int64_t>(id)) = {piece.text, piece.score, piece.type, true};
  }
  const fs::path config = folder / "tokenizer_config.json";
  if (fs::exists(config)) {
    const json document = parse_json(read_text_file(config), config.string());
    const JsonField root(document, config.string());
    if (const auto added = root.find("added_tokens_decoder")) {
      added->for_each_member([&](const std::string& id, const JsonField& token) {
        int64_t value = -1;
        const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), value);
        if (error != std::errc() || end != id.data() + id.size()) token.corrupt("has no id");
        Entry& entry = vocabulary.at(value);
        const std::string& content = token.at("content").text();
        if (entry.present && entry.text == content && entry.type == Type::unknown) return;
        const bool special = token.flag_or("special", false);
        entry = {content, entry.present ? entry.score : -1000.0f,
                 special ? Type::control : Type::user_defined, true};
      });
    }
  }
  vocabulary.write(vocab_size, /*scores=*/true, metadata);
  metadata.set("tokenizer.ggml.add_space_prefix", model.add_dummy_prefix);
  const auto role = [&](const char* name, int64_t id) {
    if (id >= 0 && id < static_cast<int64_t>(model.pieces.size())) {
      metadata.set(fmt::format("tokenizer.ggml.{}_token_id", name), static_cast<uint32_t>(id));
    }
  };
  role("bos", model.bos_id);
  role("eos", model.eos_id);
  if (model.remove_extra_whitespaces) {
    metadata.set("tokenizer.ggml.remove_extra_whitespaces", true);
  }
}

// --- what stands beside the vocabulary

std::string id_key(const char* role) { return fmt::format("tokenizer.ggml.{}_token_id", role); }

// The role's token, if the vocabulary has one that is written so.
void write_role(const char* role, const std::string& token, io::GgufMetadata& metadata) {
  const auto& texts = std::get<std::vector<std::string>>(*metadata.find("tokenizer.ggml.tokens"));
  const auto found = std::ranges::find(texts, token);
  if (token.empty() || found == texts.end()) return;
  metadata.set(id_key(role), static_cast<uint32_t>(found - texts.begin()));
}

// Whether the tokenizer puts a beginning before each text and an end behind it: what stands around
// an empty one.
void write_surroundings(const fs::path& folder, io::GgufMetadata& metadata) {
  const std::vector<int32_t> around = Tokenizer::load(folder).encode("");
  const auto id_of = [&](const char* role) {
    const auto* value = metadata.find(id_key(role));
    return value == nullptr ? int64_t{-1} : int64_t{std::get<uint32_t>(*value)};
  };
  const bool add_bos = !around.empty() && around.front() == id_of("bos");
  const size_t rest = around.size() - (add_bos ? 1 : 0);
  const bool add_eos = rest > 0 && around.back() == id_of("eos");
  if (rest != (add_eos ? 1 : 0)) {
    fail(ErrorKind::unsupported,
         "{}: {} tokens stand around each text, of which GGUF can express a beginning and an end",
         folder.string(), around.size());
  }
  metadata.set("tokenizer.ggml.add_bos_token", add_bos);
  metadata.set("tokenizer.ggml.add_eos_token", add_eos);
}

void write_roles(const fs::path& folder, io::GgufMetadata& metadata) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  write_role("bos", config.bos_token, metadata);
  write_role("eos", config.eos_token, metadata);
  write_role("unknown", config.unk_token, metadata);
  write_role("padding", config.pad_token, metadata);
  write_surroundings(folder, metadata);
  if (!config.chat_template.empty()) {
    metadata.set("tokenizer.chat_template", config.chat_template);
  }
}

}  // namespace

fs::path tokenizer_folder(const fs::path& place) {
  return fs::is_directory(place) ? place : place.parent_path();
}

void write_gguf_tokenizer(const fs::path& place, int64_t vocab_size, io::GgufMetadata& metadata) {
  if (io::is_gguf_file(place)) {
    copy_gguf_tokenizer(*io::GgufFile::open(place), metadata);
    return;
  }
  const fs::path folder = tokenizer_folder(place);
  if (fs::exists(folder / "tokenizer.model")) {
    write_model(folder, vocab_size, metadata);
  } else if (fs::exists(folder / "tokenizer.json")) {
    write_json(folder / "tokenizer.json", vocab_size, metadata);
  } else {
    metadata.set("tokenizer.ggml.model", std::string("no_vocab"));
    return;
  }
  write_roles(folder, metadata);
}

}  // namespace cadre::text
