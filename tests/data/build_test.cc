#include "data/build.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "core/io/checksum.h"
#include "data/token_stream.h"
#include "tests/data/byte_dataset.h"
#include "tests/expect_error.h"

namespace cadre::data {
namespace {

std::map<std::string, std::string> folder_content(const std::filesystem::path& folder) {
  std::map<std::string, std::string> content;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    content[entry.path().filename().string()] = file_content(entry.path());
  }
  return content;
}

// The texts of one part of a source.
std::vector<std::string> texts_of(const std::filesystem::path& folder, const SplitEntry& split) {
  const TokenStream stream = TokenStream::open(folder, split, 257, true);
  std::vector<std::string> texts;
  for (int64_t i = 0; i < stream.num_documents(); ++i) {
    const auto document = stream.document(i);
    std::vector<int32_t> tokens(static_cast<size_t>(document.end - document.begin));
    stream.copy_tokens(document.begin, tokens);
    CHECK(tokens.back() == kEos);
    CHECK(document.scored_bytes == static_cast<int64_t>(tokens.size()) - 2);
    texts.emplace_back(tokens.begin(), tokens.end() - 1);
  }
  return texts;
}

}  // namespace

TEST_CASE("build: the folder is the same for any number of threads") {
  const ScratchFolder scratch;
  const std::vector<SourceSpec> sources = {
      {"prose", {write_texts(scratch, "prose", numbered_texts("word", 300))}, 2.0},
      {"code", {write_texts(scratch, "code", numbered_texts("int", 200))}, 1.0}};
  std::map<std::string, std::string> expected;
  for (const int threads : {1, 2, 3, 4}) {
    ThreadPool pool(threads);
    BuildOptions options;
    options.max_shard_tokens = 3000;
    options.held_out = 0.1;
    const auto folder = scratch / ("out" + std::to_string(threads));
    build_dataset(sources, options, byte_encoder(), folder, pool);
    if (threads == 1) expected = folder_content(folder);
    CHECK(expected.size() > 10);
    CHECK(folder_content(folder) == expected);
  }
}

TEST_CASE("build: every document is on one side, whole, and the counts are right") {
  const ScratchFolder scratch;
  const std::vector<std::string> texts = numbered_texts("word", 400);
  ThreadPool pool(2);
  BuildOptions options;
  options.held_out = 0.1;
  options.max_shard_tokens = 2000;
  int64_t calls = 0;
  const DatasetManifest manifest = build_dataset(
      {{"a", {write_texts(scratch, "a", texts)}}}, options, byte_encoder(), scratch / "out", pool,
      [&](const BuildProgress& progress) { calls += progress.source == "a" ? 1 : 0; });
  CHECK(calls > 0);
  CHECK(format_manifest(read_manifest(scratch / "out")) == format_manifest(manifest));
  const SourceEntry& source = manifest.sources[0];
  const auto train = texts_of(scratch / "out", source.train);
  const auto held_out = texts_of(scratch / "out", source.held_out);
  CHECK(train.size() + held_out.size() == texts.size());
  CHECK(held_out.size() > 20);
  CHECK(held_out.size() < 65);
  std::multiset<std::string> all(train.begin(), train.end());
  all.insert(held_out.begin(), held_out.end());
  CHECK(all == std::multiset<std::string>(texts.begin(), texts.end()));
  int64_t bytes = 0;
  for (const std::string& text : held_out) bytes += static_cast<int64_t>(text.size());
  CHECK(source.held_out.text_bytes() == bytes);
  CHECK(source.held_out.tokens() == bytes + static_cast<int64_t>(held_out.size()));
  for (const ShardEntry& shard : source.train.shards) CHECK(shard.tokens <= 2000);
  CHECK(file_content(scratch / "out/tokenizer.json") == byte_encoder().tokenizer_json);
}

TEST_CASE("build: a document stays on its side when others come and go") {
  const ScratchFolder scratch;
  std::vector<std::string> texts = numbered_texts("word", 300);
  ThreadPool pool(1);
  BuildOptions options;
  options.held_out = 0.2;
  const auto held_out_of = [&](const std::string& name, const std::vector<std::string>& some) {
    const auto manifest = build_dataset({{"a", {write_texts(scratch, name, some)}}}, options,
                                        byte_encoder(), scratch / (name + ".out"), pool);
    const auto found = texts_of(scratch / (name + ".out"), manifest.sources[0].held_out);
    return std::set<std::string>(found.begin(), found.end());
  };
  const auto all = held_out_of("all", texts);
  texts.resize(150);
  for (const std::string& text : held_out_of("half", texts)) CHECK(all.count(text) == 1);
}

TEST_CASE(
    "build: every source holds out at least one document, the tail of it if it has only one") {
  const ScratchFolder scratch;
  ThreadPool pool(1);
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "line " + std::to_string(i) + "\n";
  const auto manifest =
      build_dataset({{"two", {write_texts(scratch, "two", {"first text", "second text"})}},
                     {"one", {write_texts(scratch, "one", {lines})}}},
                    {}, byte_encoder(), scratch / "out", pool);
  CHECK(texts_of(scratch / "out", manifest.sources[0].train).size() == 1);
  CHECK(texts_of(scratch / "out", manifest.sources[0].held_out).size() == 1);
  const auto train = texts_of(scratch / "out", manifest.sources[1].train);
  const auto held_out = texts_of(scratch / "out", manifest.sources[1].held_out);
  REQUIRE(train.size() == 1);
  REQUIRE(held_out.size() == 1);
  CHECK(train[0] + held_out[0] == lines);
  CHECK(train[0].back() == '\n');
  CHECK(held_out[0].size() > 50);
  CHECK(held_out[0].size() < 200);
}

TEST_CASE("build: with nothing held out everything is for training") {
  const ScratchFolder scratch;
  ThreadPool pool(1);
  BuildOptions options;
  options.held_out = 0.0;
  const auto manifest = build_dataset({{"a", {write_texts(scratch, "a", {"x", "y"})}}}, options,
                                      byte_encoder(), scratch / "out", pool);
  CHECK(manifest.sources[0].held_out.tokens() == 0);
  CHECK(manifest.sources[0].train.documents() == 2);
}

TEST_CASE("build: a failure leaves nothing behind and what was there untouched") {
  const ScratchFolder scratch;
  ThreadPool pool(2);
  const std::string texts = write_texts(scratch, "a", {"x", "y"});
  build_dataset({{"a", {texts}}}, {}, byte_encoder(), scratch / "out", pool);
  const auto before = folder_content(scratch / "out");
  const auto entries = [&] {
    return std::distance(std::filesystem::directory_iterator(scratch.path()), {});
  };
  const auto count = entries();
  BuildOptions overwrite;
  overwrite.overwrite = true;
  TokenEncoder broken = byte_encoder();
  broken.encode = [](std::string_view, int, std::vector<int32_t>&) {
    fail(ErrorKind::exhausted, "no more");
  };
  error_of(ErrorKind::exhausted, [&] {
    build_dataset({{"a", {texts}}}, overwrite, broken, scratch / "out", pool);
  });
  error_of(ErrorKind::invalid_input, [&] {
    build_dataset({{"a", {texts}}}, {}, byte_encoder(), scratch / "out", pool);
  });
  // A folder that is no dataset is never replaced.
  error_of(ErrorKind::invalid_input, [&] {
    build_dataset({{"a", {texts}}}, overwrite, byte_encoder(), scratch / "a", pool);
  });
  // The files beside the tokenizer come before the folder has its name.
  TokenEncoder unwritable = byte_encoder();
  unwritable.write_roles = [&](const std::filesystem::path& folder) {
    CHECK(folder != scratch / "out");
    fail(ErrorKind::exhausted, "no more");
  };
  error_of(ErrorKind::exhausted, [&] {
    build_dataset({{"b", {texts}}}, overwrite, unwritable, scratch / "out", pool);
  });
  CHECK(entries() == count);
  CHECK(folder_content(scratch / "out") == before);
  build_dataset({{"b", {texts}}}, overwrite, byte_encoder(), scratch / "out", pool);
  CHECK(read_manifest(scratch / "out").sources[0].name == "b");
  CHECK(entries() == count);
}

TEST_CASE("build: sources without documents, with bad names or weights are refused") {
  const ScratchFolder scratch;
  ThreadPool pool(1);
  const std::string texts = write_texts(scratch, "a", {"x"});
  scratch.write("empty/none.txt", "  ");
  const auto refused = [&](const std::vector<SourceSpec>& sources) {
    return error_of(ErrorKind::invalid_input,
                    [&] { build_dataset(sources, {}, byte_encoder(), scratch / "out", pool); });
  };
  CHECK(contains(refused({{"a", {(scratch / "empty").string()}}}), "\"empty\": 1"));
  CHECK(contains(refused({{"a", {texts}}, {"a", {texts}}}), "twice"));
  CHECK(contains(refused({{"a/b", {texts}}}), "a/b"));
  refused({{"a", {texts}, 0.0}});
  refused({});
  CHECK_FALSE(std::filesystem::exists(scratch / "out"));
}

TEST_CASE("build: texts that two sources share are in the first only") {
  const ScratchFolder scratch;
  ThreadPool pool(1);
  const auto manifest =
      build_dataset({{"a", {write_texts(scratch, "a", {"shared", "only a", "a too"})}},
                     {"b", {write_texts(scratch, "b", {"shared", "only b", "b too"})}}},
                    {}, byte_encoder(), scratch / "out", pool);
  CHECK(manifest.sources[0].train.documents() + manifest.sources[0].held_out.documents() == 3);
  CHECK(manifest.sources[1].train.documents() + manifest.sources[1].held_out.documents() == 2);
}

}  // namespace cadre::data
