// The model of kind BPE in tokenizer.json.

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/byte_level.h"
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

}  // namespace

void read_model(const JsonField& field, Tokenizer::Data& data) {
  // The first files of GPT-2 have no type.
  const std::string type = field.text_or("type", "BPE");
  if (type != "BPE") field.unsupported(fmt::format("model \"{}\"", type));
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
  if (field.flag_or("byte_fallback", false)) {
    field.at("byte_fallback").unsupported("is true, expected false");
  }
  read_vocab(field.at("vocab"), data);
  BpeSpec spec;
  spec.merges = read_merges(field.at("merges"), data);
  spec.fuse_unknown = field.flag_or("fuse_unk", false);
  spec.ignore_merges = field.flag_or("ignore_merges", false);
  if (const auto unknown = field.find("unk_token")) {
    const auto found = data.ids.find(unknown->text());
    if (found == data.ids.end()) {
      unknown->corrupt(fmt::format("\"{}\" is not in the vocabulary", unknown->text()));
    }
    spec.unknown_id = found->second;
  }
  const auto alphabet = byte_level_alphabet();
  for (int byte = 0; byte < 256; ++byte) {
    std::string written;
    append_utf8(alphabet[byte], written);
    const auto found = data.ids.find(written);
    spec.byte_ids[byte] = found == data.ids.end() ? -1 : found->second;
  }
  if (spec.ignore_merges) {
    for (const auto& [written, id] : data.ids) {
      if (auto bytes = written_to_bytes(written)) spec.words.emplace(std::move(*bytes), id);
    }
  }
  data.model = BpeModel(std::move(spec));
}

}  // namespace cadre::text
