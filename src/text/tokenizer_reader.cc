// tokenizer.json to a Tokenizer: the frame and the added tokens. The format has no specification;
// what is read here is what the `tokenizers` library writes.

#include "text/tokenizer_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/base/error.h"

namespace cadre::text {
namespace {

// An added token as the normalised text would show it. A small file may make it a huge one.
std::string normalized_form(const JsonField& field, const AddedToken& token,
                            const Normalizer& normalizer) {
  Normalizer::Scratch scratch;
  try {
    return std::string(normalizer.apply(token.content, true, scratch));
  } catch (const Error& error) {
    fail(error.kind(), "{}: \"{}\": {}", field.place(), token.content, error.what());
  }
}

// Gives added tokens their ids. As in the reference the vocabulary decides, then order: a token
// that is in the vocabulary has the id it has there, others follow the vocabulary.
void read_added_tokens(const JsonField& field, int64_t model_tokens, const TokenRewriter& rewriter,
                       Tokenizer::Data& data) {
  std::vector<AddedToken> tokens;
  std::unordered_map<int32_t, size_t> place_of;  // of an id in tokens
  std::unordered_set<std::string> special;
  int64_t next_id = model_tokens;
  field.for_each_element([&](const JsonField& element) {
    element.expect_only(
        {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token = {.content = element.at("content").text(),
                        .single_word = element.at("single_word").flag(),
                        .lstrip = element.at("lstrip").flag(),
                        .rstrip = element.at("rstrip").flag(),
                        .normalized = element.at("normalized").flag(),
                        .special = element.at("special").flag()};
    const int64_t written_id = element.at("id").integer(0, INT32_MAX);
    if (token.content.empty()) return;
    const auto known = data.ids.find(token.content);
    const int64_t id = known != data.ids.end() ? known->second : next_id++;
    if (id != written_id) {
      data.notes.push_back(
          fmt::format("{}: \"{}\" has id {} here and {} by the vocabulary, which counts",
                      element.place(), token.content, written_id, id));
    }
    if (known == data.ids.end()) add_piece(element, token.content, id, data);
    token.id = static_cast<int32_t>(id);
    if (token.special) special.insert(token.content);
    const auto [place, is_new] = place_of.emplace(token.id, tokens.size());
    if (is_new) {
      tokens.push_back(std::move(token));
    } else {
      tokens[place->second] = std::move(token);
    }
  });
  std::vector<AddedTokenMatcher::Needle> raw;
  std::vector<AddedTokenMatcher::Needle> normalized;
  for (AddedToken& token : tokens) {
    std::string form =
        token.normalized ? normalized_form(field, token, data.normalizer) : token.content;
    Piece& piece = data.pieces[token.id];
    rewriter.rewrite(form, piece);
    piece.special = special.contains(form);
    piece.shown_as_is = true;
    (token.normalized ? normalized : raw).push_back({std::move(form), std::move(token)});
  }
  data.raw_tokens = AddedTokenMatcher(std::move(raw), field.place());
  data.normalized_tokens = AddedTokenMatcher(std::move(normalized), field.place());
}

}  // namespace

void check_depth(const JsonField& field, int depth) {
  constexpr int kDeepestNesting = 4;
  if (depth > kDeepestNesting) field.unsupported("sequences nested this deep");
}

void append_name(const std::string& type, std::string& names) {
  if (!names.empty()) names += ", ";
  names += type;
}

void add_piece(const JsonField& field, const std::string& written, int64_t id,
               Tokenizer::Data& data) {
  // Gaps are allowed, deserts are not: the table of ids is dense.
  const int64_t highest = 65536 + 4 * static_cast<int64_t>(data.ids.size());
  if (id > highest) {
    field.unsupported(fmt::format("id {} of \"{}\" is far beyond the {} tokens there are", id,
                                  written, data.ids.size()));
  }
  if (id >= static_cast<int64_t>(data.pieces.size())) data.pieces.resize(id + 1);
  Piece& piece = data.pieces[id];
  if (piece.present) {
    field.corrupt(fmt::format("\"{}\" and \"{}\" both have id {}", piece.written, written, id));
  }
  piece.written = written;
  piece.present = true;
  data.ids.emplace(written, static_cast<int32_t>(id));
}

Tokenizer Tokenizer::from_json(std::string text, std::string_view where) {
  const nlohmann::json document = parse_json(text, where);
  const JsonField root(document, std::string(where));
  root.expect_only({"version", "truncation", "padding", "added_tokens", "normalizer",
                    "pre_tokenizer", "post_processor", "decoder", "model"});
  if (const std::string version = root.text_or("version", "1.0"); version != "1.0") {
    root.at("version").unsupported(fmt::format("version \"{}\", expected \"1.0\"", version));
  }
  for (const char* key : {"truncation", "padding"}) {
    if (const auto field = root.find(key)) field->unsupported("is set, expected null");
  }
  const auto data = std::make_shared<Data>();
  std::vector<NormalizerStep> normalizer;
  if (const auto field = root.find("normalizer")) {
    read_normalizer(*field, 0, normalizer, data->summary.normalizer);
  }
  data->normalizer = Normalizer(std::move(normalizer));
  std::vector<PreTokenizerStep> steps;
  if (const auto field = root.find("pre_tokenizer")) {
    read_pre_tokenizer(*field, 0, steps, data->summary.pre_tokenizer);
  }
  const bool byte_level = std::ranges::any_of(steps, [](const PreTokenizerStep& step) {
    return std::holds_alternative<ByteLevelStep>(step);
  });
  TokenRewriter rewriter;
  const auto decoder = root.find("decoder");
  if (!decoder) root.unsupported("decoder: is null");
  read_decoder(*decoder, rewriter, data->decoder);
  if (rewriter.byte_level != byte_level) {
    decoder->unsupported("ByteLevel must be both a pre-tokenizer and the decoder, or neither");
  }
  const int64_t model_tokens = read_model(root.at("model"), byte_level, steps, *data);
  for (Piece& piece : data->pieces) rewriter.rewrite(piece.written, piece);
  if (const auto field = root.find("added_tokens")) {
    read_added_tokens(*field, model_tokens, rewriter, *data);
  }
  if (const auto field = root.find("post_processor")) read_post_processor(*field, 0, *data);
  data->pre_tokenizer = PreTokenizer(std::move(steps), std::make_shared<const CharClasses>());
  data->files = {{"tokenizer.json", std::move(text)}};
  return Data::seal(data);
}

}  // namespace cadre::text
