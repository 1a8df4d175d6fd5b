// tokenizer.json to a Tokenizer: the parts around the model. The format has no specification; what
// is read here is what the `tokenizers` library writes.

#include "text/tokenizer_reader.h"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/base/error.h"
#include "text/byte_level.h"

namespace cadre::text {
namespace {

// Sequences of sequences are allowed by the format; nobody needs more of them.
constexpr int kDeepestNesting = 4;

void check_depth(const JsonField& field, int depth) {
  if (depth > kDeepestNesting) field.unsupported("sequences nested this deep");
}

void read_normalizer(const JsonField& field, int depth, std::vector<NormalForm>& forms) {
  check_depth(field, depth);
  const std::string type = field.at("type").text();
  if (type == "Sequence") {
    field.expect_only({"type", "normalizers"});
    field.at("normalizers").for_each_element([&](const JsonField& element) {
      read_normalizer(element, depth + 1, forms);
    });
    return;
  }
  field.expect_only({"type"});
  if (type == "NFC") {
    forms.push_back(NormalForm::nfc);
  } else if (type == "NFD") {
    forms.push_back(NormalForm::nfd);
  } else if (type == "NFKC") {
    forms.push_back(NormalForm::nfkc);
  } else if (type == "NFKD") {
    forms.push_back(NormalForm::nfkd);
  } else {
    field.unsupported(fmt::format("normalizer \"{}\"", type));
  }
}

SplitBehavior read_behavior(const JsonField& field) {
  const std::string& name = field.text();
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  field.corrupt(fmt::format("\"{}\" is not a behaviour of Split", name));
}

std::string escape_literal(std::string_view literal) {
  std::string pattern;
  for (char c : literal) {
    if (std::string_view(R"(\.+*?()|[]{}^$-&#~)").find(c) != std::string_view::npos)
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

SplitStep read_split(const JsonField& field) {
  field.expect_only({"type", "pattern", "behavior", "invert"});
  const JsonField pattern = field.at("pattern");
  pattern.expect_only({"Regex", "String"});
  const std::optional<JsonField> literal = pattern.find("String");
  const JsonField source = literal ? *literal : pattern.at("Regex");
  if (source.text().empty()) source.unsupported("an empty pattern");
  return {.regex = Regex(literal ? escape_literal(source.text()) : source.text(), source.place()),
          .behavior = read_behavior(field.at("behavior")),
          .invert = field.at("invert").flag()};
}

void read_pre_tokenizer(const JsonField& field, int depth, std::vector<PreTokenizerStep>& steps) {
  check_depth(field, depth);
  if (!steps.empty() && std::holds_alternative<ByteLevelStep>(steps.back())) {
    field.unsupported("a step behind ByteLevel");
  }
  const std::string type = field.at("type").text();
  if (type == "Sequence") {
    field.expect_only({"type", "pretokenizers"});
    field.at("pretokenizers").for_each_element([&](const JsonField& element) {
      read_pre_tokenizer(element, depth + 1, steps);
    });
  } else if (type == "ByteLevel") {
    field.expect_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    steps.push_back(ByteLevelStep{.add_prefix_space = field.at("add_prefix_space").flag(),
                                  .use_regex = field.flag_or("use_regex", true)});
  } else if (type == "Digits") {
    field.expect_only({"type", "individual_digits"});
    steps.push_back(DigitsStep{field.at("individual_digits").flag()});
  } else if (type == "Split") {
    steps.push_back(read_split(field));
  } else {
    field.unsupported(fmt::format("pre-tokenizer \"{}\"", type));
  }
}

void read_decoder(const JsonField& field) {
  const std::string type = field.at("type").text();
  if (type != "ByteLevel") field.unsupported(fmt::format("decoder \"{}\"", type));
  field.expect_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
}

void read_template(const JsonField& field, Tokenizer::Data& data) {
  field.expect_only({"type", "single", "pair", "special_tokens"});
  const JsonField specials = field.at("special_tokens");
  bool after_text = false;
  field.at("single").for_each_element([&](const JsonField& element) {
    element.expect_only({"Sequence", "SpecialToken"});
    if (const auto sequence = element.find("Sequence")) {
      if (after_text || sequence->at("id").text() != "A") {
        element.unsupported("a template that is not the text once with tokens around it");
      }
      after_text = true;
      return;
    }
    const JsonField special = specials.at(element.at("SpecialToken").at("id").text());
    special.at("ids").for_each_element([&](const JsonField& id) {
      const int64_t last = static_cast<int64_t>(data.pieces.size()) - 1;
      const auto value = static_cast<int32_t>(id.integer(0, last));
      (after_text ? data.after : data.before).push_back(value);
    });
  });
  if (!after_text) field.unsupported("a template without the text");
}

void read_post_processor(const JsonField& field, int depth, Tokenizer::Data& data) {
  check_depth(field, depth);
  const std::string type = field.at("type").text();
  if (type == "Sequence") {
    field.expect_only({"type", "processors"});
    field.at("processors").for_each_element([&](const JsonField& element) {
      read_post_processor(element, depth + 1, data);
    });
  } else if (type == "ByteLevel") {  // moves offsets, which Cadre does not have
    field.expect_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  } else if (type == "TemplateProcessing") {
    if (!data.before.empty() || !data.after.empty()) field.unsupported("a second template");
    read_template(field, data);
  } else {
    field.unsupported(fmt::format("post-processor \"{}\"", type));
  }
}

// Gives added tokens their ids. As in the reference the vocabulary decides, then order: a token
// that is in the vocabulary has the id it has there, others follow the vocabulary.
void read_added_tokens(const JsonField& field, int64_t model_tokens, Tokenizer::Data& data) {
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
    std::string storage;
    std::string form(token.normalized ? data.normalizer.apply(token.content, storage)
                                      : std::string_view(token.content));
    Piece& piece = data.pieces[token.id];
    piece.bytes = written_to_bytes(form).value_or(form);
    piece.special = special.contains(form);
    (token.normalized ? normalized : raw).push_back({std::move(form), std::move(token)});
  }
  data.raw_tokens = AddedTokenMatcher(std::move(raw), field.place());
  data.normalized_tokens = AddedTokenMatcher(std::move(normalized), field.place());
}

}  // namespace

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
  piece.bytes = written_to_bytes(written).value_or(written);
  piece.present = true;
  data.ids.emplace(written, static_cast<int32_t>(id));
}

Tokenizer Tokenizer::from_json(std::string json, std::string_view where) {
  return TokenizerReader::read(std::move(json), where);
}

Tokenizer TokenizerReader::read(std::string text, std::string_view where) {
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
  std::vector<NormalForm> forms;
  if (const auto field = root.find("normalizer")) read_normalizer(*field, 0, forms);
  data->normalizer = Normalizer(std::move(forms));
  std::vector<PreTokenizerStep> steps;
  if (const auto field = root.find("pre_tokenizer")) read_pre_tokenizer(*field, 0, steps);
  if (steps.empty() || !std::holds_alternative<ByteLevelStep>(steps.back())) {
    root.unsupported("pre_tokenizer: BPE without ByteLevel as its last step");
  }
  read_model(root.at("model"), *data);
  const auto model_tokens = static_cast<int64_t>(data->ids.size());
  if (const auto field = root.find("added_tokens")) {
    read_added_tokens(*field, model_tokens, *data);
  }
  const auto decoder = root.find("decoder");
  if (!decoder) root.unsupported("decoder: is null, expected ByteLevel");
  read_decoder(*decoder);
  if (const auto field = root.find("post_processor")) read_post_processor(*field, 0, *data);
  data->pre_tokenizer = PreTokenizer(std::move(steps), std::make_shared<const CharClasses>());
  data->json = std::move(text);
  return Tokenizer(data);
}

}  // namespace cadre::text
