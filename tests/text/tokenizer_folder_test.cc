// Tokenizers from the folder of a model: tokenizer.model and what the files beside it say.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/file.h"
#include "expect_error.h"
#include "scratch_folder.h"
#include "text/tokenizer.h"

namespace cadre::text {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

constexpr const char* kModel = "tests/golden/tokenizer/small/bpe_fallback.model";

Tokenizer load(const json& config, const json& added = nullptr) {
  const ScratchFolder folder;
  write_file_atomically(folder.path() / "tokenizer.model", read_text_file(kModel));
  if (!config.is_null()) {
    write_file_atomically(folder.path() / "tokenizer_config.json", config.dump());
  }
  if (!added.is_null()) write_file_atomically(folder.path() / "added_tokens.json", added.dump());
  return Tokenizer::load(folder.path());
}

json token(const std::string& content, bool special = true) {
  return {{"content", content}, {"special", special}, {"lstrip", false}, {"rstrip", false}};
}

}  // namespace

TEST_CASE("tokenizer folder: a redefined id stands for its new content in both directions") {
  const Tokenizer plain = load(nullptr);
  const int32_t stale = plain.required_id("ing");
  CHECK(plain.encode("xing", {.add_special_tokens = false}).back() == stale);
  const Tokenizer changed =
      load({{"added_tokens_decoder", {{std::to_string(stale), token("<|im_start|>")}}}});
  CHECK(changed.vocab_size() == plain.vocab_size());
  CHECK(changed.encode("<|im_start|>", {.add_special_tokens = false}) == Ids{stale});
  CHECK(changed.decode(Ids{stale}) == "<|im_start|>");
  CHECK(changed.decode(Ids{stale}, /*skip_special=*/true).empty());
  CHECK(changed.token_to_id("ing") == -1);
  const Ids ids = changed.encode("xing ing", {.add_special_tokens = false});
  CHECK(std::ranges::find(ids, stale) == ids.end());
  CHECK(changed.decode(ids) == "xing ing");
  CHECK_FALSE(changed.notes().empty());
}

TEST_CASE("tokenizer folder: gaps between ids do not make room for wider ones") {
  const int64_t pieces = load(nullptr).vocab_size();
  const auto with_tokens = [&](int64_t count) {
    json config = {{"added_tokens_decoder", json::object()}};
    for (int64_t i = 1; i <= count; ++i) {
      config["added_tokens_decoder"][std::to_string(pieces + 40000 * i)] =
          token("<" + std::to_string(i) + ">");
    }
    return load(config).vocab_size();
  };
  CHECK(with_tokens(1) == pieces + 40001);
  CHECK(contains(error_of(ErrorKind::unsupported, [&] { with_tokens(2); }),
                 "far beyond the " + std::to_string(pieces + 1)));
}

TEST_CASE("tokenizer folder: tokens before and after the text follow the configuration") {
  const int32_t begin = load(nullptr).required_id("<s>");
  const int32_t end = load(nullptr).required_id("</s>");
  const auto encode = [](const json& config) { return load(config).encode("a"); };
  CHECK(encode(nullptr).front() == begin);
  CHECK(encode({{"add_bos_token", false}}).front() != begin);
  CHECK(encode({{"add_eos_token", true}}).back() == end);
  CHECK(encode({{"add_eos_token", true}, {"eos_token", "<s>"}}).back() == begin);
  CHECK(encode({{"eos_token", {{"content", "</s>"}}}}).back() != end);
}

TEST_CASE(
    "tokenizer folder: added tokens follow the pieces, and text behind one has its prefix or not") {
  const int64_t pieces = load(nullptr).vocab_size();
  const json config = {{"added_tokens_decoder", {{std::to_string(pieces), token("<x>", false)}}}};
  const Tokenizer legacy = load(config, {{"<y>", pieces + 1}});
  const Tokenizer modern = [&] {
    json changed = config;
    changed["legacy"] = false;
    return load(changed);
  }();
  const auto x = static_cast<int32_t>(pieces);
  const EncodeOptions bare = {.add_special_tokens = false};
  const Ids word = legacy.encode("the", bare);
  Ids expected = word;
  expected.push_back(x);
  expected.insert(expected.end(), word.begin(), word.end());
  CHECK(legacy.encode("the<x>the", bare) == expected);
  CHECK(legacy.decode(expected) == "the<x> the");
  CHECK(legacy.encode("<y>", bare) == Ids{x + 1});
  CHECK(modern.encode("the<x>the", bare) != expected);
  CHECK(modern.decode(modern.encode("the<x>the", bare)) == "the<x>the");
  CHECK(modern.encode("<x>", {.add_special_tokens = false, .parse_special = false}) == Ids{x});
}

TEST_CASE("tokenizer folder: files go where the tokenizer goes") {
  const Tokenizer tokenizer = load({{"add_bos_token", false}});
  REQUIRE(tokenizer.files().size() == 2);
  CHECK(tokenizer.files()[0].name == "tokenizer.model");
  CHECK_THROWS_AS(static_cast<void>(tokenizer.to_json()), Error);
  const ScratchFolder folder;
  tokenizer.save_into(folder.path());
  const Tokenizer again = Tokenizer::load(folder.path());
  CHECK(again.encode("the expert") == tokenizer.encode("the expert"));
}

TEST_CASE("tokenizer folder: broken files are named") {
  const auto message = [](const json& config) -> std::string {
    try {
      static_cast<void>(load(config));
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt_data);
      return error.what();
    }
    return "";
  };
  CHECK(message({{"added_tokens_decoder", {{"x", token("a")}}}}).find("[\"x\"]") !=
        std::string::npos);
  CHECK(message({{"added_tokens_decoder", {{"3", 1}}}}).find("tokenizer_config.json") !=
        std::string::npos);
  CHECK(message({{"add_bos_token", "yes"}}).find("add_bos_token") != std::string::npos);
  const ScratchFolder empty;
  CHECK_THROWS_AS(Tokenizer::load(empty.path()), Error);
}

}  // namespace cadre::text
