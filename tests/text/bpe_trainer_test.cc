#include "text/bpe_trainer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/file.h"
#include "text/gpt2_scanner.h"
#include "text/text_cases.h"
#include "text/word_counter.h"

namespace cadre::text {
namespace {

DocumentSource source_of(const std::vector<std::string>& documents) {
  return [&documents, next = size_t{0}]() mutable -> std::optional<std::string_view> {
    if (next == documents.size()) return std::nullopt;
    return documents[next++];
  };
}

Tokenizer train(const std::vector<std::string>& documents, int64_t vocab_size, int threads) {
  ThreadPool pool(threads);
  BpeTrainerOptions options;
  options.vocab_size = vocab_size;
  return train_bpe(source_of(documents), options, pool);
}

std::vector<std::string> random_documents(uint64_t seed) {
  RandomStream random(seed);
  std::vector<std::string> documents;
  for (int i = 0; i < 200; ++i) {
    documents.push_back(random_text(random, static_cast<int64_t>(random.below(300))));
  }
  return documents;
}

}  // namespace

TEST_CASE("train_bpe: vocabulary, merges and ids are those of the tokenizers library") {
  const std::string text = read_text_file("tests/golden/tokenizer/trained.txt");
  const auto golden = nlohmann::json::parse(read_text_file("tests/golden/tokenizer/trained.json"));
  const Tokenizer tokenizer = train({text}, 420, 2);
  CHECK(tokenizer.vocab_size() == 420);
  for (const auto& [token, id] : golden.at("vocab").items()) {
    CHECK(tokenizer.token_to_id(token) == id.get<int32_t>());
  }
  const auto written = nlohmann::json::parse(tokenizer.to_json());
  std::vector<std::string> merges;
  for (const auto& pair : golden.at("merges")) {
    merges.push_back(pair[0].get<std::string>() + " " + pair[1].get<std::string>());
  }
  CHECK(written.at("model").at("merges").get<std::vector<std::string>>() == merges);
  CHECK(tokenizer.encode(text) == golden.at("ids").get<std::vector<int32_t>>());
}

TEST_CASE("train_bpe: the same for any number of threads and any order of documents") {
  std::vector<std::string> documents = random_documents(11);
  const std::string expected = train(documents, 700, 1).to_json();
  for (int threads : {2, 3, 4}) CHECK(train(documents, 700, threads).to_json() == expected);
  std::ranges::reverse(documents);
  CHECK(train(documents, 700, 2).to_json() == expected);
}

TEST_CASE("train_bpe: stops when no pair is frequent enough, and reads nothing gladly") {
  CHECK(train({"abab abab"}, 10000, 1).vocab_size() == 258 + 2);  // ab and abab
  CHECK(train({}, 300, 1).vocab_size() == 258);
  CHECK(train({"", "a"}, 300, 1).vocab_size() == 258);
}

TEST_CASE("train_bpe: reports progress that rises to the end") {
  const std::vector<std::string> documents = random_documents(12);
  ThreadPool pool(2);
  BpeTrainerOptions options;
  options.vocab_size = 500;
  int64_t read = 0;
  int64_t made = 0;
  train_bpe(source_of(documents), options, pool, [&](const BpeTrainerProgress& p) {
    int64_t& last = p.phase == BpeTrainerProgress::Phase::reading ? read : made;
    CHECK(p.done >= last);
    last = p.done;
  });
  CHECK(read > 0);
  CHECK(made > 258);
}

TEST_CASE("train_bpe: impossible options are refused") {
  ThreadPool pool(1);
  const std::vector<std::string> none;
  const auto refuses = [&](const BpeTrainerOptions& options) {
    try {
      static_cast<void>(train_bpe(source_of(none), options, pool));
    } catch (const Error& error) {
      return error.kind() == ErrorKind::invalid_input;
    }
    return false;
  };
  CHECK(refuses({.vocab_size = 200}));
  CHECK(refuses({.special_tokens = {"<a>", "<a>"}}));
  CHECK(refuses({.special_tokens = {""}}));
  CHECK(refuses({.special_tokens = {"\xff"}}));
}

TEST_CASE("count_words: a long document is cut where it changes nothing") {
  RandomStream random(13);
  std::string text;
  while (text.size() < 1 << 20) text += random_text(random, 400) + " word";
  ThreadPool one(1);
  ThreadPool four(4);
  const std::vector<std::string> whole = {text};
  const auto expected = count_words(source_of(whole), one, {});
  int64_t bytes = 0;
  for (const WordCount& w : expected) bytes += w.count * static_cast<int64_t>(w.word.size());
  CHECK(bytes == static_cast<int64_t>(text.size()));
  const auto again = count_words(source_of(whole), four, {});
  REQUIRE(again.size() == expected.size());
  bool same = true;
  for (size_t i = 0; i < again.size(); ++i) {
    same = same && again[i].word == expected[i].word && again[i].count == expected[i].count;
  }
  CHECK(same);
  // Words counted in one piece, without any cut.
  const CharClasses classes;
  int64_t words = 0;
  for (size_t at = 0; at < text.size(); ++words) at = gpt2_word_end(classes, text, at);
  int64_t counted = 0;
  for (const WordCount& w : expected) counted += w.count;
  CHECK(counted == words);
}

}  // namespace cadre::text
