#include "text/tokenizer.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/thread_pool.h"
#include "text/bpe_trainer.h"
#include "text/text_cases.h"

namespace cadre::text {
namespace {

using nlohmann::json;

Tokenizer small_tokenizer() {
  ThreadPool pool(1);
  bool given = false;
  const std::string text = read_text_file("tests/golden/tokenizer/trained.txt");
  BpeTrainerOptions options;
  options.vocab_size = 420;
  return train_bpe(
      [&]() -> std::optional<std::string_view> {
        if (given) return std::nullopt;
        given = true;
        return text;
      },
      options, pool);
}

// The real tokenizer, or nothing with a word about it.
std::optional<Tokenizer> real_tokenizer() {
  const auto file = real_file(kRealTokenizer);
  if (!file) {
    MESSAGE("skipped: no ", kRealTokenizer, " in CADRE_TEST_DATA or ../shared/data");
    return std::nullopt;
  }
  return Tokenizer::load(*file);
}

std::string stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip_special) {
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

TEST_CASE("Tokenizer: decoding undoes encoding for any valid text") {
  const Tokenizer tokenizer = small_tokenizer();
  RandomStream random(7);
  EncodeWorkspace workspace;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_text(random, static_cast<int64_t>(random.below(60)));
    CAPTURE(text);
    std::vector<int32_t> ids;
    tokenizer.encode(text, {}, workspace, ids);
    CHECK(tokenizer.decode(ids) == text);
    CHECK(tokenizer.encode(text) == ids);
    CHECK(stream(tokenizer, ids, false) == text);
  }
}

TEST_CASE("Tokenizer: bytes that are not UTF-8 count as U+FFFD") {
  const Tokenizer tokenizer = small_tokenizer();
  RandomStream random(8);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = random_bytes(random, static_cast<int64_t>(random.below(30)));
    std::string repaired;
    append_repaired(bytes, repaired);
    CHECK(tokenizer.encode(bytes) == tokenizer.encode(repaired));
    CHECK(tokenizer.decode(tokenizer.encode(bytes)) == repaired);
  }
}

TEST_CASE("StreamDecoder: equal to decoding at once for any ids, those without token too") {
  const Tokenizer tokenizer = small_tokenizer();
  RandomStream random(9);
  for (int i = 0; i < 2000; ++i) {
    std::vector<int32_t> ids;
    for (int j = 0; j < 12; ++j) ids.push_back(static_cast<int32_t>(random.below(300)) - 3);
    for (bool skip : {false, true}) {
      const std::string text = tokenizer.decode(ids, skip);
      CHECK(is_valid_utf8(text));
      CHECK(stream(tokenizer, ids, skip) == text);
    }
  }
}

TEST_CASE("Tokenizer: special tokens in text are tokens, or text if so asked") {
  const Tokenizer tokenizer = small_tokenizer();
  const std::string text = "a<|endoftext|>b";
  const int32_t end = tokenizer.required_id("<|endoftext|>");
  CHECK(end == 0);
  CHECK(tokenizer.is_special(end));
  CHECK(tokenizer.special_ids() == std::vector<int32_t>{0, 1});
  const std::vector<int32_t> parsed = tokenizer.encode(text);
  CHECK(parsed.size() == 3);
  CHECK(parsed[1] == end);
  CHECK(tokenizer.decode(parsed, /*skip_special=*/true) == "ab");
  const std::vector<int32_t> plain = tokenizer.encode(text, {.parse_special = false});
  CHECK(std::ranges::find(plain, end) == plain.end());
  CHECK(tokenizer.decode(plain, /*skip_special=*/true) == text);
  CHECK(tokenizer.token_to_id("no such token") == -1);
  CHECK(tokenizer.id_to_token(-1).empty());
  CHECK(tokenizer.id_to_token(420).empty());
  CHECK_THROWS_AS(tokenizer.required_id("no such token"), Error);
}

TEST_CASE("Tokenizer: threads share one, and one workspace serves two tokenizers in turn") {
  const Tokenizer tokenizer = small_tokenizer();
  const Tokenizer other = Tokenizer::from_json(tokenizer.to_json(), "copy");
  const std::string text = read_text_file("tests/golden/tokenizer/trained.txt");
  const std::vector<int32_t> expected = tokenizer.encode(text);
  std::vector<std::thread> threads;
  std::vector<std::vector<int32_t>> results(4);
  for (auto& result : results) threads.emplace_back([&] { result = tokenizer.encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) CHECK(result == expected);
  EncodeWorkspace workspace;
  for (const Tokenizer& each : {tokenizer, other, tokenizer}) {
    std::vector<int32_t> ids;
    each.encode(text, {}, workspace, ids);
    CHECK(ids == expected);
  }
}

TEST_CASE("Tokenizer: a megabyte of one character is no trouble") {
  const Tokenizer tokenizer = small_tokenizer();
  for (const char* unit : {"a", " ", "\n", "'", "\u0301", "\u00e9", "1", "<", "<|endoftext|>"}) {
    std::string text;
    while (text.size() < (1 << 20)) text += unit;
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  }
}

TEST_CASE("Tokenizer: ids and texts of the real tokenizer are those of its reference") {
  const auto tokenizer = real_tokenizer();
  if (!tokenizer) return;
  CHECK(tokenizer->vocab_size() == 50280);
  CHECK(tokenizer->required_id("<|endoftext|>") == 50279);
  CHECK(tokenizer->notes().empty());
  const json golden = json::parse(read_text_file(*real_file("tokenizers/golden/strings.json")));
  const std::string name = "gpt-neox-olmo-dolma-v1_5";
  const json& strings = golden.at("strings");
  REQUIRE(strings.size() >= 90);
  for (size_t i = 0; i < strings.size(); ++i) {
    const auto text = strings[i].get<std::string>();
    CAPTURE(text);
    const auto ids = golden.at("ids").at(name)[i].get<std::vector<int32_t>>();
    CHECK(tokenizer->encode(text) == ids);
    CHECK(tokenizer->decode(ids) == golden.at("decoded").at(name)[i].get<std::string>());
  }
}

TEST_CASE("Tokenizer: whole documents have the tokens that the reference gives") {
  const auto tokenizer = real_tokenizer();
  if (!tokenizer) return;
  const json golden = json::parse(read_text_file(*real_file("tokenizers/golden/documents.json")));
  for (const auto& [name, expected] : golden.at("gpt-neox-olmo-dolma-v1_5").items()) {
    CAPTURE(name);
    const auto file = real_file(name);
    REQUIRE(file);
    const std::vector<int32_t> ids = tokenizer->encode(read_text_file(*file));
    CHECK(ids.size() == expected.at("tokens").get<size_t>());
    const auto first = expected.at("first16").get<std::vector<int32_t>>();
    const auto last = expected.at("last16").get<std::vector<int32_t>>();
    CHECK(std::vector<int32_t>(ids.begin(), ids.begin() + 16) == first);
    CHECK(std::vector<int32_t>(ids.end() - 16, ids.end()) == last);
  }
}

// MPT has the tokenizer of GPT-NeoX.
TEST_CASE("Tokenizer: the GPT-NeoX cases of llama.cpp") {
  const auto tokenizer = real_tokenizer();
  const auto inputs = real_file("tokenizers/llama.cpp-vocab/ggml-vocab-mpt.gguf.inp");
  if (!tokenizer || !inputs) return;
  const std::string text = read_text_file(*inputs);
  std::istringstream expected(
      read_text_file(*real_file("tokenizers/llama.cpp-vocab/ggml-vocab-mpt.gguf.out")));
  const std::string separator = "\n__ggml_vocab_test__\n";
  size_t cases = 0;
  for (size_t at = 0; at < text.size(); ++cases) {
    const size_t end = std::min(text.find(separator, at), text.size());
    const std::string input = text.substr(at, end - at);
    at = end + separator.size();
    std::string line;
    std::getline(expected, line);
    std::istringstream numbers(line);
    std::vector<int32_t> ids;
    for (int32_t id; numbers >> id;) ids.push_back(id);
    CAPTURE(input);
    CHECK(tokenizer->encode(input) == ids);
  }
  CHECK(cases > 40);
}

}  // namespace cadre::text
