// "normalizer" of tokenizer.json.
#include <fmt/core.h>

#include "core/io/base64.h"
#include "text/tokenizer_reader.h"

namespace cadre::text {
namespace {

// More would turn a small text into a huge one; Normalizer bounds what steps make of each other's.
constexpr size_t kMostContent = 1024;

std::string read_content(const JsonField& field) {
  if (field.text().size() > kMostContent) {
    field.unsupported(
        fmt::format("has {} bytes, at most {} are supported", field.text().size(), kMostContent));
  }
  return field.text();
}

ReplaceStep read_replace(const JsonField& field) {
  field.expect_only({"type", "pattern", "content"});
  const JsonField pattern = field.at("pattern");
  pattern.expect_only({"Regex", "String"});
  ReplaceStep step = {.literal = "", .pattern = {}, .content = read_content(field.at("content"))};
  if (const auto literal = pattern.find("String")) {
    step.literal = literal->text();
  } else {
    const JsonField source = pattern.at("Regex");
    if (source.text().empty()) source.unsupported("an empty pattern");
    step.pattern = Regex(source.text(), source.place());
  }
  return step;
}

CharsMapStep read_charsmap(const JsonField& field) {
  field.expect_only({"type", "precompiled_charsmap"});
  const JsonField source = field.at("precompiled_charsmap");
  const std::optional<std::string> bytes = io::decode_base64(source.text());
  if (!bytes) source.corrupt("is not base64");
  return {std::make_shared<const CharsMap>(*bytes, source.place())};
}

}  // namespace

void read_normalizer(const JsonField& field, int depth, std::vector<NormalizerStep>& steps,
                     std::string& names) {
  check_depth(field, depth);
  const std::string type = field.at("type").text();
  if (type == "Sequence") {
    field.expect_only({"type", "normalizers"});
    field.at("normalizers").for_each_element([&](const JsonField& element) {
      read_normalizer(element, depth + 1, steps, names);
    });
    return;
  }
  if (steps.size() >= Normalizer::kMostSteps) {
    field.unsupported(fmt::format("more than {} normalizers", Normalizer::kMostSteps));
  }
  append_name(type, names);
  if (type == "Replace") {
    steps.emplace_back(read_replace(field));
    return;
  }
  if (type == "Precompiled") {
    // Files without a table have null here and rewrite nothing.
    if (field.find("precompiled_charsmap")) steps.emplace_back(read_charsmap(field));
    return;
  }
  if (type == "Prepend") {
    field.expect_only({"type", "prepend"});
    steps.emplace_back(PrependStep{read_content(field.at("prepend"))});
    return;
  }
  if (type == "Strip") {
    field.expect_only({"type", "strip_left", "strip_right"});
    steps.emplace_back(StripStep{field.at("strip_left").flag(), field.at("strip_right").flag()});
    return;
  }
  field.expect_only({"type"});
  if (type == "NFC") {
    steps.emplace_back(NormalForm::nfc);
  } else if (type == "NFD") {
    steps.emplace_back(NormalForm::nfd);
  } else if (type == "NFKC") {
    steps.emplace_back(NormalForm::nfkc);
  } else if (type == "NFKD") {
    steps.emplace_back(NormalForm::nfkd);
  } else if (type == "Lowercase") {
    steps.emplace_back(LowercaseStep{});
  } else if (type == "StripAccents") {
    steps.emplace_back(StripAccentsStep{});
  } else if (type == "Nmt") {
    steps.emplace_back(NmtStep{});
  } else {
    field.unsupported(fmt::format("normalizer \"{}\"", type));
  }
}

}  // namespace cadre::text
