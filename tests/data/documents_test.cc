#include "data/documents.h"

#include <doctest/doctest.h>
#include <zstd.h>

#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre::data {
namespace {

std::string compress(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Read {
  std::vector<std::string> texts;
  DocumentCounts counts;
};

Read read(const ScratchFolder& folder, const DocumentOptions& options = {}) {
  DocumentReader reader({folder.path().string()}, options);
  Read result;
  while (auto document = reader.next()) result.texts.push_back(document->text);
  CHECK(reader.read_bytes() == reader.total_bytes());
  result.counts = reader.counts();
  return result;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("documents: text files and JSONL lines, plain and compressed, in order of their paths") {
  const ScratchFolder folder;
  folder.write("1.txt", "one");
  folder.write("2.jsonl", "{\"text\": \"two\"}\n\n{\"id\": 3, \"text\": \"thr\\u00e9e\"}\r\n");
  folder.write("3.jsonl.zst", compress("{\"text\": \"four\"}\n{\"text\": \"five\"}"));
  folder.write("4.md.zst", compress("six\n"));
  const Read result = read(folder);
  CHECK(result.texts == Texts{"one", "two",
                              "thr\xc3\xa9"
                              "e",
                              "four", "five", "six\n"});
  CHECK(result.counts.documents == 6);
  CHECK(result.counts.files == 4);
  CHECK(result.counts.bytes == 3 + 3 + 6 + 4 + 4 + 4);
}

TEST_CASE("documents: what cannot be used is counted by its reason and the rest is read") {
  const ScratchFolder folder;
  folder.write("a.txt", "good");
  folder.write("b.txt", "good");                    // a duplicate
  folder.write("c.txt", " \n\t");                   // empty
  folder.write("d.bin", std::string("a\0b", 3));    // binary
  folder.write("e.txt", std::string(100, '\xff'));  // not UTF-8
  folder.write("f.txt", std::string(5000, 'x'));    // too large
  folder.write("g.zst", "damaged");                 // unreadable
  folder.write("h.jsonl", "{\"text\": \"line\"}\nnot json\n{\"txt\": 1}\n{\"text\": 5}\n[1]\n");
  folder.write("i.txt", "last");
  DocumentOptions options;
  options.max_file_bytes = 1000;
  const Read result = read(folder, options);
  CHECK(result.texts == Texts{"good", "line", "last"});
  CHECK(result.counts.duplicates == 1);
  CHECK(result.counts.empty == 1);
  CHECK(result.counts.binary == 2);
  CHECK(result.counts.too_large == 1);
  CHECK(result.counts.unreadable == 1);
  CHECK(result.counts.malformed == 4);
  REQUIRE(result.counts.problems.size() == 6);
  CHECK(contains(result.counts.problems[2], "h.jsonl:2"));
}

TEST_CASE("documents: strict stops at a malformed line and names it") {
  const ScratchFolder folder;
  folder.write("a.jsonl", "{\"text\": \"line\"}\n{\"text\": \n");
  DocumentOptions options;
  options.strict = true;
  CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { read(folder, options); }), "a.jsonl:2"));
}

TEST_CASE("documents: a few bytes that are not UTF-8 are repaired") {
  const ScratchFolder folder;
  folder.write("latin1.txt", std::string(200, 'x') + "\xe9 caf\xe9");
  CHECK(read(folder).texts == Texts{std::string(200, 'x') + "\xef\xbf\xbd caf\xef\xbf\xbd"});
}

TEST_CASE("documents: readers that share what they have seen never repeat a text") {
  const ScratchFolder folder;
  folder.write("a/1.txt", "same");
  folder.write("b/1.txt", "same");
  folder.write("b/2.txt", "other");
  std::unordered_set<uint64_t> seen;
  DocumentReader first({(folder / "a").string()}, {}, &seen);
  DocumentReader second({(folder / "b").string()}, {}, &seen);
  CHECK(first.next()->text == "same");
  CHECK(second.next()->text == "other");
  CHECK_FALSE(second.next());
  CHECK(second.counts().duplicates == 1);
}

TEST_CASE("documents: the field of the text can be named") {
  const ScratchFolder folder;
  folder.write("a.jsonl", "{\"content\": \"here\", \"text\": \"not here\"}");
  DocumentOptions options;
  options.text_field = "content";
  CHECK(read(folder, options).texts == Texts{"here"});
}

TEST_CASE("documents: a file that disappears after it was listed is counted, not fatal") {
  const ScratchFolder folder;
  folder.write("a.txt", "a");
  folder.write("b.txt", "b");
  DocumentReader reader({folder.path().string()}, {});
  std::filesystem::remove(folder / "a.txt");
  CHECK(reader.next()->text == "b");
  CHECK(reader.counts().unreadable == 1);
}

}  // namespace cadre::data
