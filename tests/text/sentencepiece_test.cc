// tokenizer.model: published vocabularies beside what SentencePiece makes of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/file.h"
#include "text/text_cases.h"
#include "text/tokenizer.h"
#include "text/tokenizer_builder.h"

namespace cadre::text {
namespace {

using nlohmann::json;

constexpr EncodeOptions kPlain = {.add_special_tokens = false, .parse_special = false};

std::optional<Tokenizer> real_tokenizer(const std::string& name) {
  const std::string path = "tokenizers/" + name + "/tokenizer.model";
  const auto file = real_file(path);
  if (!file) {
    MESSAGE("skipped: no ", path, " in CADRE_TEST_DATA or ../shared/data");
    return std::nullopt;
  }
  return Tokenizer::load(*file);
}

std::string stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (int32_t id : ids) {
    const std::string part = decoder.push(id);
    CHECK(is_valid_utf8(part));
    text += part;
  }
  return text + decoder.finish();
}

}  // namespace

TEST_CASE("SentencePiece: ids and texts of published models are those of the reference") {
  for (const char* name : {"mistral-v1", "mistral-v3", "yuan2-m32"}) {
    const auto tokenizer = real_tokenizer(name);
    if (!tokenizer) return;
    CAPTURE(name);
    const json golden = json::parse(read_text_file(*real_file("tokenizers/golden/strings.json")));
    const json& strings = golden.at("strings");
    REQUIRE(strings.size() >= 90);
    for (size_t i = 0; i < strings.size(); ++i) {
      const auto text = strings[i].get<std::string>();
      CAPTURE(text);
      const auto ids = golden.at("ids").at(name)[i].get<std::vector<int32_t>>();
      CHECK(tokenizer->encode(text, kPlain) == ids);
      const auto decoded = golden.at("decoded").at(name)[i].get<std::string>();
      CHECK(tokenizer->decode(ids) == decoded);
      CHECK(stream(*tokenizer, ids) == decoded);
    }
    const json documents =
        json::parse(read_text_file(*real_file("tokenizers/golden/documents.json")));
    for (const auto& [document, expected] : documents.at(name).items()) {
      CAPTURE(document);
      const auto file = real_file(document);
      REQUIRE(file);
      const std::vector<int32_t> ids = tokenizer->encode(read_text_file(*file), kPlain);
      CHECK(ids.size() == expected.at("tokens").get<size_t>());
      const auto first = expected.at("first16").get<std::vector<int32_t>>();
      const auto last = expected.at("last16").get<std::vector<int32_t>>();
      CHECK(std::vector<int32_t>(ids.begin(), ids.begin() + 16) == first);
      CHECK(std::vector<int32_t>(ids.end() - 16, ids.end()) == last);
    }
  }
}

TEST_CASE("SentencePiece: Yuan's special tokens are found before the model runs") {
  const auto tokenizer = real_tokenizer("yuan2-m32");
  if (!tokenizer) return;
  using Ids = std::vector<int32_t>;
  CHECK(tokenizer->encode("请问目前最先进的机器学习算法有哪些？") ==
        Ids{29871, 36264, 32139, 58274, 54577, 38386, 33638, 30882});
  CHECK(tokenizer->encode("Hello world\n  x = 1") ==
        Ids{15043, 3186, 13, 29871, 921, 353, 29871, 29896});
  CHECK(tokenizer->vocab_size() == 134968);
  int32_t id = 77185;
  for (const char* own : {"<eod>", "<n>", "<sep>", "<pad>"}) {
    CHECK(tokenizer->encode(own) == Ids{id});
    CHECK(tokenizer->encode(own, kPlain).size() > 1);
    CHECK(tokenizer->decode(Ids{id}) == own);
    CHECK(tokenizer->decode(Ids{id++}, /*skip_special=*/true).empty());
  }
  CHECK(tokenizer->required_id("<mask>") == 134953);
  CHECK(tokenizer->required_id("<empty_output>") == 134965);
  CHECK(tokenizer->required_id("<file_sep>") == 134967);
}

}  // namespace cadre::text
