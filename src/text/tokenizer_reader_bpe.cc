// The model of kind BPE in tokenizer.json.

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/byte_level.h"
#include "text/char_bpe_model.h"
#include "text/tokenizer_reader.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

void read_vocab(const JsonField& field, Tokenizer::Data& data) {
  // Ascending ids, so that a gap can be told from a desert when it is met.
  std::vector<std::pair<int64_t, const std::string*>> tokens;
  if (!field.value().is_object()) field.corrupt("expected an object of tokens and ids");
  const auto& members = field.value().get_ref<const nlohmann::json::object_t&>();
  for (const auto& [token, id] : members) {
    const JsonField entry(id, field.place(), fmt::format("[\"{}\"]", token));
    tokens.emplace_back(entry.integer(0, INT32_MAX), &token);
  }
  std::sort(tokens.begin(), tokens.end());
  data.ids.reserve(tokens.size() + tokens.size() / 8);
  for (const auto& [id, token] : tokens) add_piece(field, *token, id, data);
}

int32_t merge_part(const JsonField& field, size_t index, const std::string& token,
                   const Tokenizer::Data& data) {
  const auto found = data.ids.find(token);
  if (found == data.ids.end()) {
    field.corrupt(fmt::format("[{}]: \"{}\" is not in the vocabulary", index, token));
  }
  return found->second;
}

// Merges are ["a", "b"] or, in files of older versions, "a b".
std::vector<BpeSpec::Merge> read_merges(const JsonField& field, const Tokenizer::Data& data) {
  if (!field.value().is_array()) field.corrupt("expected an array of merges");
  std::vector<BpeSpec::Merge> merges;
  merges.reserve(field.value().size());
  size_t index = 0;
  for (const nlohmann::json& merge : field.value()) {
    std::string left;
    std::string right;
    if (merge.is_string()) {
      const auto& line = merge.get_ref<const std::string&>();
      if (line.starts_with("#version")) {
        ++index;
        continue;
      }
      const size_t space = line.find(' ');
      if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
        field.corrupt(
            fmt::format("[{}]: \"{}\" is not two tokens with a space between", index, line));
      }
      left = line.substr(0, space);
      right = line.substr(space + 1);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    } else {
      field.corrupt(fmt::format("[{}]: expected two tokens", index));
    }
    merges.push_back({.left = merge_part(field, index, left, data),
                      .right = merge_part(field, index, right, data),
                      .merged = merge_part(field, index, left + right, data)});
    ++index;
  }
  return merges;
}

// Whether no merge makes a token with U+2581 behind another character, so that no token reaches
// across the beginning of a run of them. Tokens of bytes and the unknown token stand for any
// character, so with merges of these nobody knows.
bool marks_begin_tokens(const std::vector<BpeSpec::Merge>& merges, const Tokenizer::Data& data) {
  if (!data.ids.contains(std::string(kSpaceMark))) return false;
  for (const BpeSpec::Merge& merge : merges) {
    const std::string& left = data.pieces[merge.left].written;
    const std::string& right = data.pieces[merge.right].written;
    if (right.starts_with(kSpaceMark) && !left.ends_with(kSpaceMark)) return false;
  }
  return true;
}

int32_t read_unknown(const JsonField& field, const Tokenizer::Data& data) {
  const auto unknown = field.find("unk_token");
  if (!unknown) return -1;
  const auto found = data.ids.find(unknown->text());
  if (found == data.ids.end()) {
    unknown->corrupt(fmt::format("\"{}\" is not in the vocabulary", unknown->text()));
  }
  return found->second;
}

std::unique_ptr<const TokenModel> byte_model(const JsonField& field,
                                             std::vector<BpeSpec::Merge> merges,
                                             const Tokenizer::Data& data) {
  BpeSpec spec;
  spec.merges = std::move(merges);
  spec.unknown_id = read_unknown(field, data);
  spec.fuse_unknown = field.flag_or("fuse_unk", false);
  spec.ignore_merges = field.flag_or("ignore_merges", false);
  const auto alphabet = byte_level_alphabet();
  bool complete = true;
  for (int byte = 0; byte < 256; ++byte) {
    std::string written;
    append_utf8(alphabet[byte], written);
    const auto found = data.ids.find(written);
    spec.byte_ids[byte] = found == data.ids.end() ? -1 : found->second;
    complete &= spec.byte_ids[byte] >= 0;
  }
  // With all bytes in the vocabulary, fallback (to tokens of another form) is never needed.
  if (field.flag_or("byte_fallback", false) && !complete) {
    field.at("byte_fallback").unsupported("is true behind ByteLevel without all 256 bytes");
  }
  if (spec.ignore_merges) {
    for (const auto& [written, id] : data.ids) {
      if (auto bytes = written_to_bytes(written)) spec.words.emplace(std::move(*bytes), id);
    }
  }
  return std::make_unique<const BpeModel>(std::move(spec));
}

std::unique_ptr<const TokenModel> character_model(const JsonField& field,
                                                  std::vector<BpeSpec::Merge> merges,
                                                  const Tokenizer::Data& data) {
  CharBpeSpec spec;
  spec.merges = std::move(merges);
  spec.unknown_id = read_unknown(field, data);
  spec.fuse_unknown = field.flag_or("fuse_unk", false);
  spec.ignore_merges = field.flag_or("ignore_merges", false);
  spec.byte_ids.fill(-1);
  if (field.flag_or("byte_fallback", false)) spec.byte_ids = byte_fallback_ids(data);
  for (const auto& [written, id] : data.ids) {
    if (written.empty()) continue;
    const CodePoint c = decode_at(written, 0);
    if (static_cast<size_t>(c.size) == written.size()) spec.char_ids.set(c.value, id);
  }
  if (spec.ignore_merges) spec.words = data.ids;
  return std::make_unique<const CharBpeModel>(std::move(spec));
}

}  // namespace

void read_bpe(const JsonField& field, bool byte_level, std::vector<PreTokenizerStep>& steps,
              Tokenizer::Data& data) {
  field.expect_only({"type", "dropout", "unk_token", "continuing_subword_prefix",
                     "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab",
                     "merges"});
  if (const auto dropout = field.find("dropout")) {
    if (!dropout->value().is_number()) dropout->corrupt("expected a number");
    if (dropout->value().get<double>() != 0.0) dropout->unsupported("dropout, expected null");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!field.text_or(key, "").empty()) field.at(key).unsupported("is set, expected null");
  }
  read_vocab(field.at("vocab"), data);
  std::vector<BpeSpec::Merge> merges = read_merges(field.at("merges"), data);
  if (byte_level) {
    data.summary.model = "byte-level BPE";
    data.model = byte_model(field, std::move(merges), data);
    return;
  }
  data.summary.model =
      field.flag_or("byte_fallback", false) ? "BPE with byte fallback" : "BPE of characters";
  if (!field.flag_or("ignore_merges", false) && marks_begin_tokens(merges, data)) {
    steps.emplace_back(MarkCutStep{});
  }
  data.model = character_model(field, std::move(merges), data);
}

}  // namespace cadre::text
