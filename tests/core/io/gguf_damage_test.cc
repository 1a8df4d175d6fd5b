// GGUF files that lie: each lie is refused, by name, at a cost that the file's own size bounds.

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "core/io/gguf.h"
#include "tests/core/io/gguf_bytes.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

std::string refusal(const std::string& bytes, ErrorKind kind = ErrorKind::corrupt_data) {
  const ScratchFolder folder;
  const auto file = folder.write("m.gguf", bytes);
  const std::string message = error_of(kind, [&] { io::GgufFile::open(file); });
  CHECK(contains(message, "m.gguf: "));
  return message;
}

std::string with_key(std::string_view key, uint32_t kind, std::string_view value) {
  return gguf_header(0, 1) + gguf_pair(key, kind, value);
}

std::string with_tensors(const std::string& infos, uint64_t count, size_t data) {
  return gguf_padded(gguf_header(count, 0) + infos, std::string(data, 'x'));
}

TEST_CASE("gguf: files of other kinds are refused") {
  CHECK(contains(refusal(""), "does not begin with \"GGUF\""));
  CHECK(contains(refusal("GGU"), "does not begin"));
  CHECK(contains(refusal("GGML12345678"), "does not begin"));
  CHECK(contains(refusal(gguf_header(0, 0, 1), ErrorKind::unsupported), "is version 1"));
  CHECK(contains(refusal(gguf_header(0, 0, 4), ErrorKind::unsupported), "is version 4"));
  CHECK(contains(refusal(gguf_header(0, 0, 3u << 24), ErrorKind::unsupported), "is big-endian"));
}

TEST_CASE("gguf: a file cut anywhere in its header is refused") {
  const std::string whole = gguf_header(1, 2) + gguf_pair("a", 8, gguf_text("text")) +
                            gguf_pair("b", 9, raw(uint32_t{4}) + raw(uint64_t{1}) + raw(5)) +
                            gguf_info("t", {1}, 0, 0);
  for (size_t size = 0; size < whole.size(); ++size) refusal(whole.substr(0, size));
  CHECK(contains(refusal(whole), "\"t\" takes 4 bytes from byte 0 of the data, which has 0"));
}

TEST_CASE("gguf: counts and lengths beyond the file are refused before memory is taken") {
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  for (const uint64_t claim : {uint64_t{1} << 31, uint64_t{1} << 40, ~uint64_t{0}}) {
    const std::string pad(2048, '\0');
    CHECK(contains(refusal(gguf_header(claim, 0) + pad), "the list of tensors claims"));
    CHECK(contains(refusal(gguf_header(0, claim) + pad), "the metadata claims"));
    for (const uint32_t kind : {0u, 4u, 7u, 8u, 9u, 12u}) {
      const std::string value = raw(kind) + raw(claim) + pad;
      CHECK(contains(refusal(with_key("list", 9, value)), "\"list\" claims"));
    }
    CHECK(contains(refusal(with_key("word", 8, raw(claim) + pad)), "\"word\" has"));
    CHECK(contains(refusal(gguf_header(0, 1) + raw(claim) + pad), "a key has"));
  }
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  CHECK(after.ru_maxrss - before.ru_maxrss < 64 << 10);  // KiB; the least claim is of 2 GiB
}

TEST_CASE("gguf: metadata that contradicts the format is refused by key") {
  CHECK(contains(refusal(with_key("k", 13, raw(uint64_t{0}))), "\"k\" has kind 13"));
  CHECK(contains(refusal(with_key("k", 9, raw(uint32_t{77}) + raw(uint64_t{0}))), "kind 77"));
  CHECK(contains(refusal(with_key("k", 7, "\2")), "\"k\" is a boolean of value 2"));
  CHECK(contains(refusal(with_key("", 0, "\2padding")), "the key \"\" has 0 bytes"));
  CHECK(contains(refusal(with_key(std::string(70000, 'k'), 0, "\2")), "has 70000 bytes"));
  CHECK(contains(refusal(gguf_header(0, 2) + gguf_pair("k", 0, "\1") + gguf_pair("k", 0, "\1")),
                 "\"k\" appears twice"));
  std::string nested = raw(uint32_t{0}) + raw(uint64_t{0});
  for (int depth = 0; depth < 4; ++depth) nested = raw(uint32_t{9}) + raw(uint64_t{1}) + nested;
  CHECK(contains(refusal(with_key("k", 9, nested)), "\"k\" nests arrays deeper than 4"));
  for (const uint32_t alignment : {0u, 24u, 1u << 30}) {
    CHECK(contains(refusal(with_key("general.alignment", 4, raw(alignment))), "a power of two"));
  }
  CHECK(contains(refusal(with_key("general.alignment", 8, gguf_text("32"))), "an integer"));
}

TEST_CASE("gguf: tensors that contradict the file are refused by name") {
  const uint64_t big = uint64_t{1} << 33;
  CHECK(contains(refusal(with_tensors(gguf_info("t", {4}, 0, 16), 1, 64)), "a multiple of 32"));
  CHECK(contains(refusal(with_tensors(gguf_info("t", {4}, 0, 64), 1, 64)), "\"t\" takes 16 bytes"));
  CHECK(contains(refusal(with_tensors(gguf_info("t", {4}, 0, 1ull << 63), 1, 64)), "begins at"));
  CHECK(contains(refusal(with_tensors(gguf_info("t", {big, big}, 0, 0), 1, 64)), "\"t\": "));
  CHECK(contains(refusal(with_tensors(gguf_info("t", {1ull << 63}, 0, 0), 1, 64)), "an extent of"));
  CHECK(contains(refusal(with_tensors(gguf_info("t", {1ull << 62}, 0, 0), 1, 64)), "2^63 bytes"));
  CHECK(contains(refusal(with_tensors(gguf_info("t", {1, 1, 1, 1, 1}, 0, 0), 1, 64)),
                 "5 dimensions"));
  CHECK(contains(refusal(with_tensors(gguf_info("t", {33}, 8, 0), 1, 64)),
                 "\"t\" [33] has rows of 33, expected a multiple of 32 for Q8_0"));
  CHECK(contains(refusal(with_tensors(gguf_info("t", {4}, 4, 0), 1, 64), ErrorKind::unsupported),
                 "\"t\" has type 4, which is unknown"));
  CHECK(contains(refusal(with_tensors(gguf_info("", {4}, 0, 0), 1, 64)), "has 0 bytes"));
  CHECK(contains(refusal(with_tensors(gguf_info(std::string(65, 'n'), {4}, 0, 0), 1, 64)),
                 "has 65 bytes, expected 1 to 64"));
  const std::string twice = gguf_info("t", {4}, 0, 0) + gguf_info("t", {4}, 0, 32);
  CHECK(contains(refusal(with_tensors(twice, 2, 64)), "the tensor \"t\" appears twice"));
  const std::string overlap = gguf_info("a", {9}, 0, 32) + gguf_info("b", {9}, 0, 0);
  CHECK(contains(refusal(with_tensors(overlap, 2, 96)), "\"b\" and \"a\" overlap at byte 32"));
  const std::string same = gguf_info("a", {1}, 0, 0) + gguf_info("b", {1}, 0, 0);
  CHECK(contains(refusal(with_tensors(same, 2, 96)), "overlap"));
}

}  // namespace
}  // namespace cadre
