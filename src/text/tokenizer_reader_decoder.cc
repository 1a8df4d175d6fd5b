// "decoder" and "post_processor" of tokenizer.json.
#include <fmt/core.h>

#include <algorithm>

#include "text/byte_level.h"
#include "text/char_bpe_model.h"
#include "text/tokenizer_reader.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

// More would make a file of a few kilobytes take gigabytes.
constexpr size_t kMostContent = 64;

// A list of decoders on its way to rules: which have been met.
struct DecoderReader {
  TokenRewriter& rewriter;
  DecoderRules& rules;
  bool fused = false;
  bool alone = true;  // nothing but replacements so far

  void read(const JsonField& field, int depth) {
    check_depth(field, depth);
    const std::string type = field.at("type").text();
    if (type == "Sequence") {
      field.expect_only({"type", "decoders"});
      field.at("decoders").for_each_element([&](const JsonField& element) {
        read(element, depth + 1);
      });
    } else if (type == "Replace") {
      read_replace(field);
    } else if (type == "ByteFallback") {
      field.expect_only({"type"});
      claim(field, alone && !fused);
      rewriter.byte_fallback = true;
      rules.bytes = DecoderRules::Bytes::fallback_run;
    } else if (type == "Fuse") {
      field.expect_only({"type"});
      fused = true;
    } else if (type == "Strip") {
      read_strip(field);
    } else if (type == "ByteLevel") {
      field.expect_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
      claim(field, alone && !fused && rewriter.replacements.empty());
      rewriter.byte_level = true;
    } else if (type == "Metaspace") {
      read_metaspace(field);
    } else {
      field.unsupported(fmt::format("decoder \"{}\"", type));
    }
  }

 private:
  // Combinations that no published file has would need a decoder that runs step by step.
  void claim(const JsonField& field, bool possible) {
    if (!possible) field.unsupported("this decoder at this place of a sequence");
    alone = false;
  }

  void read_replace(const JsonField& field) {
    field.expect_only({"type", "pattern", "content"});
    const JsonField pattern = field.at("pattern");
    pattern.expect_only({"Regex", "String"});
    const auto literal = pattern.find("String");
    if (!literal) pattern.unsupported("a regular expression in a decoder");
    if (!alone || fused) field.unsupported("this decoder at this place of a sequence");
    if (literal->text().empty()) return;
    if (field.at("content").text().size() > kMostContent)
      field.at("content").unsupported("is long");
    rewriter.replacements.push_back({literal->text(), field.at("content").text()});
  }

  void read_strip(const JsonField& field) {
    field.expect_only({"type", "content", "start", "stop"});
    const std::string& content = field.at("content").text();
    if (content.empty() || content.size() != static_cast<size_t>(decode_at(content, 0).size)) {
      field.at("content").corrupt(fmt::format("\"{}\" is not one character", content));
    }
    const int64_t start = field.at("start").integer(0, 1 << 20);
    if (field.at("stop").integer(0, 1 << 20) != 0) {
      field.at("stop").unsupported("is not 0: the end of a text is not known while it is made");
    }
    if (!fused || rules.leading != DecoderRules::Leading::nothing) {
      field.unsupported("Strip that is not once behind Fuse");
    }
    rules.leading = DecoderRules::Leading::characters;
    rules.strip = content;
    rules.strip_count = static_cast<int>(start);
  }

  void read_metaspace(const JsonField& field) {
    field.expect_only(
        {"type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"});
    claim(field, alone && !fused && rewriter.replacements.empty());
    if (field.at("replacement").text() != kSpaceMark) {
      field.at("replacement").unsupported("is not U+2581");
    }
    rewriter.replacements.push_back({std::string(kSpaceMark), " "});
    const bool prefix = field.flag_or("add_prefix_space", true);
    const bool never = field.text_or("prepend_scheme", prefix ? "always" : "never") == "never";
    if (!never) rules.leading = DecoderRules::Leading::marks;
  }
};

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

// ["</s>", 2] as "cls" or "sep".
int32_t read_pair(const JsonField& field, const Tokenizer::Data& data) {
  int32_t id = -1;
  size_t index = 0;
  field.for_each_element([&](const JsonField& element) {
    if (index++ != 1) return;
    id = static_cast<int32_t>(element.integer(0, static_cast<int64_t>(data.pieces.size()) - 1));
  });
  if (index != 2) field.corrupt("expected a token and its id");
  return id;
}

}  // namespace

void TokenRewriter::rewrite(const std::string& written, Piece& piece) const {
  if (byte_level) {
    piece.bytes = written_to_bytes(written).value_or(written);
    return;
  }
  piece.bytes = written;
  for (const Replacement& replacement : replacements) {
    for (size_t at = piece.bytes.find(replacement.from); at != std::string::npos;
         at = piece.bytes.find(replacement.from, at + replacement.to.size())) {
      piece.bytes.replace(at, replacement.from.size(), replacement.to);
    }
  }
  const int byte = byte_fallback ? byte_of_token(piece.bytes) : -1;
  piece.byte = byte >= 0;
  if (piece.byte) piece.bytes = std::string(1, static_cast<char>(byte));
}

void read_decoder(const JsonField& field, TokenRewriter& rewriter, DecoderRules& rules) {
  rules.bytes = DecoderRules::Bytes::fallback_each;  // no token is a byte so far
  DecoderReader{rewriter, rules}.read(field, 0);
  if (rewriter.byte_level) rules.bytes = DecoderRules::Bytes::level;
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
  } else if (type == "RobertaProcessing" || type == "BertProcessing") {
    field.expect_only({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
    if (!data.before.empty() || !data.after.empty()) field.unsupported("a second template");
    data.before = {read_pair(field.at("cls"), data)};
    data.after = {read_pair(field.at("sep"), data)};
  } else {
    field.unsupported(fmt::format("post-processor \"{}\"", type));
  }
}

}  // namespace cadre::text
