// "pre_tokenizer" of tokenizer.json.
#include <fmt/core.h>

#include <algorithm>

#include "text/tokenizer_reader.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

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

char32_t read_character(const JsonField& field) {
  const std::string& text = field.text();
  if (text.empty() || text.size() != static_cast<size_t>(decode_at(text, 0).size)) {
    field.corrupt(fmt::format("\"{}\" is not one character", text));
  }
  return decode_at(text, 0).value;
}

MetaspaceStep read_metaspace(const JsonField& field) {
  using Prepend = MetaspaceStep::Prepend;
  field.expect_only(
      {"type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"});
  static_cast<void>(read_character(field.at("replacement")));
  MetaspaceStep step = {
      .mark = field.at("replacement").text(),
      .prepend = field.flag_or("add_prefix_space", true) ? Prepend::always : Prepend::never,
      .split = field.flag_or("split", true)};
  if (const auto scheme = field.find("prepend_scheme")) {
    if (scheme->text() == "always") {
      step.prepend = Prepend::always;
    } else if (scheme->text() == "first") {
      step.prepend = Prepend::first;
    } else if (scheme->text() == "never") {
      step.prepend = Prepend::never;
    } else {
      scheme->corrupt(fmt::format("\"{}\", expected always, first or never", scheme->text()));
    }
  }
  return step;
}

bool is_byte_level(const PreTokenizerStep& step) {
  return std::holds_alternative<ByteLevelStep>(step);
}

}  // namespace

void read_pre_tokenizer(const JsonField& field, int depth, std::vector<PreTokenizerStep>& steps,
                        std::string& names) {
  check_depth(field, depth);
  const std::string type = field.at("type").text();
  if (type == "Sequence") {
    field.expect_only({"type", "pretokenizers"});
    field.at("pretokenizers").for_each_element([&](const JsonField& element) {
      read_pre_tokenizer(element, depth + 1, steps, names);
    });
    return;
  }
  append_name(type, names);
  const bool behind_bytes = std::ranges::any_of(steps, is_byte_level);
  if (type == "ByteLevel") {
    if (behind_bytes) field.unsupported("ByteLevel twice");
    field.expect_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    steps.emplace_back(ByteLevelStep{.add_prefix_space = field.at("add_prefix_space").flag(),
                                     .use_regex = field.flag_or("use_regex", true)});
  } else if (type == "Digits") {
    field.expect_only({"type", "individual_digits"});
    steps.emplace_back(DigitsStep{field.at("individual_digits").flag()});
  } else if (type == "Split") {
    steps.emplace_back(read_split(field));
  } else if (type == "Punctuation") {
    field.expect_only({"type", "behavior"});
    const auto behavior = field.find("behavior");
    steps.emplace_back(
        PunctuationStep{behavior ? read_behavior(*behavior) : SplitBehavior::isolated});
  } else if (type == "Whitespace" || type == "WhitespaceSplit") {
    field.expect_only({"type"});
    steps.emplace_back(WhitespaceStep{.punctuation = type == "Whitespace"});
  } else if (type == "CharDelimiterSplit") {
    field.expect_only({"type", "delimiter"});
    steps.emplace_back(DelimiterStep{read_character(field.at("delimiter"))});
  } else if (type == "Metaspace") {
    if (behind_bytes) field.unsupported("Metaspace behind ByteLevel");
    steps.emplace_back(read_metaspace(field));
  } else {
    field.unsupported(fmt::format("pre-tokenizer \"{}\"", type));
  }
}

}  // namespace cadre::text
