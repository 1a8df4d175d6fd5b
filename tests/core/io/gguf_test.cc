#include "core/io/gguf.h"

#include <doctest/doctest.h>

#include <cstring>

#include "core/io/gguf_writer.h"
#include "tests/core/io/gguf_bytes.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

using io::GgufFile;
using io::GgufMetadata;
using io::GgufWriter;

GgufMetadata sample_metadata() {
  GgufMetadata metadata;
  metadata.set("general.architecture", std::string("llama"));
  metadata.set("a.u32", uint32_t{7});
  metadata.set("a.i32", int32_t{-7});
  metadata.set("a.f32", 0.5f);
  metadata.set("a.flag", true);
  metadata.set("a.u64", uint64_t{1} << 63);
  metadata.set("a.i64", int64_t{-5});
  metadata.set("a.f64", 0.1);
  metadata.set("a.numbers", std::vector<float>{1.0f, -2.0f});
  metadata.set("a.integers", std::vector<int32_t>{3, -4});
  metadata.set("a.words", std::vector<std::string>{"one", "", std::string("a\0b", 3)});
  return metadata;
}

// Writes tensor data that counts upwards from 1.
void write_counting(GgufWriter& writer) {
  std::byte next{1};
  for (const io::GgufEntry& entry : writer.entries()) {
    for (int64_t i = 0; i < entry.bytes(); ++i) {
      writer.write(entry.name, {&next, 1});
      next = std::byte(std::to_integer<int>(next) + 1);
    }
  }
  writer.finish();
}

std::vector<io::GgufEntry> sample_entries() {
  return {{"first", {2, 3}, &io::ggml_type(DType::bf16)},
          {"blocks", {2, 32}, &io::ggml_type(BlockType::q8_0)},
          {"empty", {0, 4}, &io::ggml_type(DType::f32)},
          {"scalar", Shape{}, &io::ggml_type(DType::f32)}};
}

TEST_CASE("gguf: what is written is read") {
  const ScratchFolder folder;
  GgufWriter writer(folder / "m.gguf", sample_metadata(), sample_entries());
  write_counting(writer);
  CHECK(io::is_gguf_file(folder / "m.gguf"));
  const auto file = GgufFile::open(folder / "m.gguf");
  CHECK(file->version() == 3);
  CHECK(file->keys().size() == 11);
  CHECK(file->keys().front() == "general.architecture");
  CHECK(file->string("general.architecture") == "llama");
  CHECK(file->integer("a.u32") == 7);
  CHECK(file->integer("a.i32") == -7);
  CHECK(file->number("a.f32") == 0.5);
  CHECK(file->number("a.i64") == -5.0);
  CHECK(file->flag_or("a.flag", false));
  CHECK(file->number("a.f64") == 0.1);
  CHECK(file->numbers("a.numbers") == std::vector<double>{1.0, -2.0});
  CHECK(file->integers("a.integers") == std::vector<int64_t>{3, -4});
  CHECK(file->integers("a.u32") == std::vector<int64_t>{7});
  const std::vector<std::string_view> words = {"one", "", std::string_view("a\0b", 3)};
  CHECK(file->strings("a.words") == words);
  CHECK(file->integer_or("absent", 3) == 3);

  REQUIRE(file->tensors().size() == 4);
  const Tensor first = file->tensor(*file->find("first"));
  CHECK(first.shape() == Shape{2, 3});
  CHECK(static_cast<const char*>(first.raw())[0] == 1);
  const auto blocks = file->bytes(*file->find("blocks"));
  CHECK(blocks.size() == 68);
  CHECK(blocks[0] == std::byte{13});
  CHECK(file->find("empty")->bytes == 0);
  CHECK(file->find("scalar")->shape == Shape{});
  CHECK(file->find("absent") == nullptr);
  for (const io::GgufTensor& tensor : file->tensors()) CHECK(tensor.begin % 32 == 0);
}

TEST_CASE("gguf: the same input gives the same bytes") {
  const ScratchFolder folder;
  for (const char* name : {"a", "b"}) {
    GgufWriter writer(folder / name, sample_metadata(), sample_entries());
    write_counting(writer);
  }
  CHECK(file_content(folder / "a") == file_content(folder / "b"));
}

TEST_CASE("gguf: a value of another kind is refused, naming file and key") {
  const ScratchFolder folder;
  GgufWriter(folder / "m.gguf", sample_metadata(), {}).finish();
  const auto file = GgufFile::open(folder / "m.gguf");
  const auto message = [&](auto&& action) { return error_of(ErrorKind::corrupt_data, action); };
  CHECK(contains(message([&] { file->integer("a.f32"); }),
                 "m.gguf: \"a.f32\" is f32 = 0.5, expected an integer"));
  CHECK(contains(message([&] { file->integer("a.u64"); }), "expected an integer below 2^63"));
  CHECK(contains(message([&] { file->string("a.u32"); }), "\"a.u32\" is u32 = 7"));
  CHECK(contains(message([&] { file->flag_or("a.words", true); }),
                 "\"a.words\" is an array of 3 times a string, expected a boolean"));
  CHECK(contains(message([&] { file->integers("a.words"); }), "expected integers"));
  CHECK(contains(message([&] { file->strings("a.integers"); }), "expected an array of strings"));
  CHECK(contains(message([&] { file->string("absent"); }), "m.gguf: \"absent\" is missing"));
}

TEST_CASE("gguf: blocks are not handed out as elements") {
  const ScratchFolder folder;
  GgufWriter writer(folder / "m.gguf", {}, sample_entries());
  write_counting(writer);
  const auto file = GgufFile::open(folder / "m.gguf");
  const std::string message =
      error_of(ErrorKind::unsupported, [&] { file->tensor(*file->find("blocks")); });
  CHECK(contains(message, "\"blocks\" is of Q8_0 blocks, expected single elements"));
}

TEST_CASE("gguf: version 2 and another alignment are read") {
  const ScratchFolder folder;
  const std::string header = gguf_header(1, 1, 2) +
                             gguf_pair("general.alignment", 4, raw(uint32_t{8})) +
                             gguf_info("t", {1}, 0, 0);
  const auto file = GgufFile::open(folder.write("m.gguf", gguf_padded(header, raw(2.5f), 8)));
  CHECK(file->version() == 2);
  CHECK(file->tensor(*file->find("t")).data<float>()[0] == 2.5f);
}

TEST_CASE("gguf writer: names and rows that the format lacks are refused before anything is left") {
  const ScratchFolder folder;
  const auto refused = [&](std::vector<io::GgufEntry> entries) {
    const std::string message = error_of(
        ErrorKind::invalid_input, [&] { GgufWriter(folder / "m.gguf", {}, std::move(entries)); });
    CHECK(std::filesystem::is_empty(folder.path()));
    return message;
  };
  const io::GgmlType* f32 = &io::ggml_type(DType::f32);
  CHECK(contains(refused({{"", {1}, f32}}), "its name is empty"));
  CHECK(contains(refused({{"a", {1}, f32}, {"a", {1}, f32}}), "taken"));
  CHECK(contains(refused({{std::string(64, 'x'), {1}, f32}}), "longer than 63"));
  CHECK(contains(refused({{"a", {1, 1, 1, 1, 1}, f32}}), "more than 4 dimensions"));
  CHECK(contains(refused({{"a", {2, 48}, &io::ggml_type(BlockType::q8_0)}}),
                 "\"a\" [2, 48] has rows of 48, expected a multiple of 32 for Q8_0"));
}

TEST_CASE("gguf writer: without finish nothing is left") {
  const ScratchFolder folder;
  {
    GgufWriter writer(folder / "m.gguf", sample_metadata(), sample_entries());
    std::byte bytes[12] = {};
    writer.write("first", bytes);
    CHECK_THROWS_AS(writer.write("scalar", bytes), Error);
    CHECK_THROWS_AS(writer.finish(), Error);
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace cadre
