#include "core/io/text_reader.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <vector>

#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre::io {
namespace {

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Compression {
  const char* extension;
  std::string (*compress)(std::string_view text);
};
constexpr Compression kCompressions[] = {{".zst", zstd}, {".gz", gzip}};

std::vector<std::string> lines(const std::filesystem::path& path, uint64_t max_bytes = 1 << 20) {
  const auto reader = open_text_reader(path);
  std::vector<std::string> all;
  for (std::string line; reader->next_line(line, max_bytes);) {
    all.push_back(reader->too_long() ? "<too long>" : line);
    CHECK(reader->line_number() == static_cast<int64_t>(all.size()));
  }
  return all;
}

}  // namespace

TEST_CASE("text reader: lines end with \\n or \\r\\n and the last needs no end") {
  const ScratchFolder folder;
  using Lines = std::vector<std::string>;
  CHECK(lines(folder.write("a", "one\ntwo\r\n\nthree")) == Lines{"one", "two", "", "three"});
  CHECK(lines(folder.write("b", "one\n")) == Lines{"one"});
  CHECK(lines(folder.write("c", "")).empty());
  CHECK(lines(folder.write("d", "\n\n")) == Lines{"", ""});
}

TEST_CASE("text reader: a line beyond the limit is passed over, the others are read") {
  const ScratchFolder folder;
  const std::string text = "short\n" + std::string(300000, 'x') + "\nshort too\n";
  CHECK(lines(folder.write("a", text), 1000) ==
        std::vector<std::string>{"short", "<too long>", "short too"});
}

TEST_CASE("text reader: compressed text reads like the plain one") {
  const ScratchFolder folder;
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "line " + std::to_string(i * 17) + "\n";
  const auto plain = folder.write("a.txt", text);
  for (const auto& [extension, compress] : kCompressions) {
    CAPTURE(extension);
    const auto packed =
        folder.write(std::string("a.txt") + extension, compress(text) + compress("more\n"));
    CHECK(read_text(packed, 1 << 24) == text + "more\n");
    auto expected = lines(plain);
    expected.push_back("more");
    CHECK(lines(packed) == expected);
    CHECK(read_text(folder.write(std::string("empty") + extension, compress("")), 10).empty());
    // What is large when unpacked comes in many pieces from one of input.
    const std::string same(5 << 20, 'a');
    CHECK(read_text(folder.write(std::string("same") + extension, compress(same)), 1 << 24) ==
          same);
  }
}

TEST_CASE("text reader: damaged and cut-off compressed data is an error that names the file") {
  const ScratchFolder folder;
  std::string text;
  for (int i = 0; i < 2000; ++i) text += std::to_string(i * 7919) + " ";
  for (const auto& [extension, compress] : kCompressions) {
    const std::string cut = std::string("cut") + extension;
    const std::string packed = compress(text);
    for (size_t size = 1; size < packed.size(); size += 7) {
      const auto path = folder.write(cut, packed.substr(0, size));
      CAPTURE(size);
      CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { read_text(path, 1 << 24); }), cut));
    }
    const std::string bare = std::string("not") + extension;
    const auto path = folder.write(bare, "this is not compressed");
    CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { read_text(path, 1 << 24); }), bare));
  }
}

TEST_CASE("text reader: a small file that unpacks to a large one stops at the limit") {
  const ScratchFolder folder;
  for (const auto& [extension, compress] : kCompressions) {
    const std::string bomb = std::string("bomb") + extension;
    const auto path = folder.write(bomb, compress(std::string(64 << 20, 'a')));
    CHECK(contains(error_of(ErrorKind::invalid_input, [&] { read_text(path, 1 << 20); }), bomb));
  }
}

TEST_CASE("text reader: absent files and folders are named") {
  const ScratchFolder folder;
  CHECK(contains(error_of(ErrorKind::not_found, [&] { read_text(folder / "none", 10); }), "none"));
  error_of(ErrorKind::invalid_input, [&] { read_text(folder.path(), 10); });
}

}  // namespace cadre::io
