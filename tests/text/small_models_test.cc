// Small models of every kind beside what their references make of strings
// (tests/golden/tokenizer/make_small_models.py).
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/base/file.h"
#include "text/text_cases.h"
#include "text/tokenizer.h"

namespace cadre::text {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

constexpr const char* kFolder = "tests/golden/tokenizer/small/";

Tokenizer small(const std::string& name) { return Tokenizer::load(kFolder + name); }

std::string stream(const Tokenizer& tokenizer, const Ids& ids, bool skip_special) {
  StreamDecoder decoder(tokenizer, skip_special);
  std::string text;
  for (int32_t id : ids) {
    const std::string part = decoder.push(id);
    CHECK(is_valid_utf8(part));
    text += part;
  }
  return text + decoder.finish();
}

}  // namespace

TEST_CASE("small models: ids and texts are those of sentencepiece and tokenizers") {
  const json cases = json::parse(read_text_file(std::string(kFolder) + "cases.json"));
  const json& strings = cases.at("strings");
  REQUIRE(cases.at("tokenizers").size() == 11);
  for (const auto& [name, expected] : cases.at("tokenizers").items()) {
    CAPTURE(name);
    const Tokenizer tokenizer = small(name);
    const bool is_model = name.ends_with(".model");
    const EncodeOptions options = {.add_special_tokens = !is_model, .parse_special = !is_model};
    EncodeWorkspace workspace;
    for (size_t i = 0; i < strings.size(); ++i) {
      const auto text = strings[i].get<std::string>();
      CAPTURE(text);
      const auto ids = expected.at("ids")[i].get<Ids>();
      CHECK(tokenizer.encode(text, options) == ids);
      Ids again;
      tokenizer.encode(text, options, workspace, again);
      CHECK(again == ids);
      const auto decoded = expected.at("decoded")[i].get<std::string>();
      CHECK(tokenizer.decode(ids) == decoded);
      CHECK(stream(tokenizer, ids, false) == decoded);
    }
  }
}

TEST_CASE("StreamDecoder: of byte tokens, a character comes with its last byte") {
  for (const char* name : {"bpe_fallback.model", "llama_prepend.json", "unigram_fallback.model"}) {
    CAPTURE(name);
    const Tokenizer tokenizer = small(name);
    StreamDecoder decoder(tokenizer);
    for (const char* byte : {"<0xF0>", "<0x9F>", "<0x98>"}) {
      CHECK(decoder.push(tokenizer.required_id(byte)).empty());
    }
    CHECK(decoder.push(tokenizer.required_id("<0x80>")) == "\U0001f600");
    CHECK(decoder.push(tokenizer.required_id("<0x0A>")) == "\n");
    CHECK(decoder.push(tokenizer.required_id("<0xC3>")).empty());
    CHECK(decoder.finish() == "\ufffd");
  }
}

TEST_CASE(
    "StreamDecoder: equal to decoding at once where bytes make characters, and for SentencePiece "
    "anywhere") {
  RandomStream random(21);
  for (const char* name : {"bpe_fallback.model", "bpe_unknown.model", "unigram.model", "t5.json",
                           "llama_prepend.json", "llama_metaspace.json", "gemma.json"}) {
    CAPTURE(name);
    const Tokenizer tokenizer = small(name);
    for (int i = 0; i < 500; ++i) {
      Ids ids;
      for (int j = 0; j < 8; ++j) {
        ids.push_back(static_cast<int32_t>(random.below(tokenizer.vocab_size() + 4)) - 2);
      }
      for (bool skip : {false, true}) {
        const std::string text = tokenizer.decode(ids, skip);
        CHECK(is_valid_utf8(text));
        const bool whole = text.find("\ufffd") == std::string::npos;
        if (whole || std::string_view(name).ends_with(".model")) {
          CHECK(stream(tokenizer, ids, skip) == text);
        }
      }
    }
  }
}

TEST_CASE("decode: the space that the tokenizer put before the text goes again, and no other") {
  for (const char* name : {"bpe_fallback.model", "llama_prepend.json", "gemma.json"}) {
    CAPTURE(name);
    const Tokenizer tokenizer = small(name);
    for (const char* text : {"a", " a", "  a", "a  b", "", " "}) {
      const Ids ids = tokenizer.encode(text, {.add_special_tokens = false});
      CHECK(tokenizer.decode(ids) == text);
      CHECK(stream(tokenizer, ids, false) == text);
    }
  }
}

TEST_CASE("encode: a megabyte of one character, of marks and of broken bytes takes linear time") {
  std::vector<std::string> units = {"a",  " ",          "\u2581", "\u0301",  "\xff",  "\xe2\x96",
                                    "ex", "\U0001f600", "<s>",    "e\u0301", "\u00a0"};
  for (const char* name : {"bpe_fallback.model", "bpe_unknown.model", "bpe_unused.model",
                           "unigram.model", "llama_prepend.json", "t5.json", "albert.json"}) {
    const Tokenizer tokenizer = small(name);
    for (const std::string& unit : units) {
      CAPTURE(name);
      CAPTURE(unit);
      std::string text;
      while (text.size() < (1 << 18)) text += unit;
      const Ids ids = tokenizer.encode(text, {.parse_special = true});
      CHECK(ids.size() <= text.size() * 4 + 2);
      CHECK(is_valid_utf8(tokenizer.decode(ids)));
    }
  }
}

TEST_CASE("encode: control pieces in the text are tokens if so asked") {
  const Tokenizer tokenizer = small("bpe_fallback.model");
  const int32_t end = tokenizer.required_id("</s>");
  CHECK(tokenizer.is_special(end));
  const Ids ids = tokenizer.encode("a</s>", {.add_special_tokens = false});
  CHECK(ids.back() == end);
  CHECK(tokenizer.decode(ids, /*skip_special=*/true) == "a");
  CHECK(tokenizer.decode(ids) == "a</s>");
  CHECK(tokenizer.encode("a")[0] == tokenizer.required_id("<s>"));
  CHECK(tokenizer.summary().model == "SentencePiece BPE with byte fallback");
}

}  // namespace cadre::text
