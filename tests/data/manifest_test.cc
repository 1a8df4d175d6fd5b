#include "data/manifest.h"

#include <doctest/doctest.h>

#include "core/io/checksum.h"
#include "core/io/json.h"
#include "tests/expect_error.h"

namespace cadre::data {
namespace {

DatasetManifest example() {
  DatasetManifest manifest;
  manifest.vocab_size = 300;
  manifest.eos_id = 256;
  manifest.tokenizer_checksum = ~uint64_t{0};
  SourceEntry source;
  source.name = "prose";
  source.weight = 0.1;
  source.train.shards = {{"prose.train.00000.tokens", 10, 2, 30, 5}, {"x", 1, 1, 1, 6}};
  source.reading = io::JsonValue::object().set("files", 3);
  manifest.sources = {source};
  return manifest;
}

// The manifest with one member replaced and the checksum made good again.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = format_manifest(example());
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  const io::JsonView view = io::JsonView::parse(text, "m");
  io::JsonValue content = io::JsonValue::object();
  for (const std::string& key : view.keys()) {
    if (key != "checksum") content.set(key, view.at(key).value());
  }
  content.set("checksum", io::to_hex(io::checksum(content.dump())));
  return content.dump();
}

}  // namespace

TEST_CASE("manifest: what is written reads back") {
  const std::string text = format_manifest(example());
  const DatasetManifest read = parse_manifest(text, "dataset.json");
  CHECK(format_manifest(read) == text);
  CHECK(read.sources[0].train.tokens() == 11);
  CHECK(read.sources[0].train.documents() == 3);
  CHECK(read.sources[0].train.text_bytes() == 31);
  CHECK(read.sources[0].train.shards[1].checksum == 6);
  CHECK(read.sources[0].weight == 0.1);
}

TEST_CASE("manifest: values out of range are refused by name even with a good checksum") {
  const auto refused = [](const std::string& from, const std::string& to) {
    const std::string text = changed(from, to);
    return error_of(ErrorKind::corrupt_data, [&] { parse_manifest(text, "dataset.json"); });
  };
  CHECK(contains(refused("\"vocab_size\": 300", "\"vocab_size\": 0"), "vocab_size"));
  CHECK(contains(refused("\"eos_token_id\": 256", "\"eos_token_id\": 300"), "eos_token_id"));
  CHECK(contains(refused("prose.train.00000.tokens", "../outside"), "shards[0].file"));
  CHECK(contains(refused("\"prose\"", "\"a/b\""), "sources[0].name"));
  CHECK(contains(refused("\"tokens\": 10", "\"tokens\": -1"), "tokens"));
  CHECK(contains(refused("\"tokens\": 10", "\"tokens\": 9"), "sum over its shards"));
  CHECK(contains(refused("\"weight\": 0.1", "\"weight\": -0.1"), "weight"));
  CHECK(contains(refused("cadre-dataset", "other"), "format"));
  CHECK(contains(refused("0000000000000005", "5"), "checksum"));
}

TEST_CASE("manifest: a change without the checksum is noticed, a new layout is not one") {
  std::string text = format_manifest(example());
  const std::string compact = io::parse_json(text, "m").dump();
  CHECK(format_manifest(parse_manifest(compact, "m")) == text);
  text.replace(text.find("\"weight\": 0.1"), 13, "\"weight\": 0.2");
  CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { parse_manifest(text, "m"); }),
                 "was changed"));
}

TEST_CASE("manifest: names of sources become names of files") {
  check_source_name("C-headers_2.1");
  for (const char* name : {"", ".", "..", "a/b", "a b", "-\n", ".hidden", "é"}) {
    CAPTURE(name);
    error_of(ErrorKind::invalid_input, [&] { check_source_name(name); });
  }
}

}  // namespace cadre::data
