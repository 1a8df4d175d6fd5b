#include "core/io/safetensors_writer.h"

#include <doctest/doctest.h>

#include <cstring>

#include "core/io/json.h"
#include "core/io/safetensors_set.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre::io {
namespace {

Tensor counting(Shape shape, DType dtype, int seed) {
  Tensor tensor = Tensor::empty(shape, dtype);
  auto* bytes = static_cast<unsigned char*>(tensor.raw());
  for (int64_t i = 0; i < tensor.bytes(); ++i) bytes[i] = static_cast<unsigned char>(seed + 31 * i);
  return tensor;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0);
}

std::map<std::string, Tensor> example() {
  return {
      {"a.odd", counting({3}, DType::u8, 1)},         {"b.half", counting({5}, DType::f16, 2)},
      {"c.weight", counting({4, 7}, DType::f32, 3)},  {"d.none", counting({0, 2}, DType::bf16, 4)},
      {"e.scalar", counting(Shape{}, DType::f64, 5)}, {"f.f8", counting({9}, DType::f8_e4m3, 6)}};
}

std::vector<TensorEntry> entries_of(const std::map<std::string, Tensor>& tensors) {
  std::vector<TensorEntry> entries;
  for (const auto& [name, tensor] : tensors)
    entries.push_back({name, tensor.dtype(), tensor.shape()});
  return entries;
}

size_t files_in(const ScratchFolder& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

}  // namespace

TEST_CASE("safetensors writer: what is written reads back, aligned") {
  const ScratchFolder folder;
  const auto tensors = example();
  write_safetensors(folder / "m.safetensors", tensors, {{"format", "pt"}, {"note", "a\"b"}});
  const auto file = SafetensorsFile::open(folder / "m.safetensors");
  CHECK(file->metadata().at("note") == "a\"b");
  CHECK(file->tensors().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name);
    const TensorInfo* info = file->find(name);
    REQUIRE(info != nullptr);
    CHECK(same(file->tensor(name), tensor));
    CHECK(reinterpret_cast<uintptr_t>(file->bytes(*info).data()) %
              static_cast<uintptr_t>(dtype_size(tensor.dtype())) ==
          0);
  }
  CHECK(files_in(folder) == 1);
}

TEST_CASE("safetensors writer: pieces make the same file as whole tensors") {
  const ScratchFolder folder;
  const auto tensors = example();
  SafetensorsWriter whole(folder / "whole", entries_of(tensors));
  SafetensorsWriter pieces(folder / "pieces", entries_of(tensors));
  for (const TensorEntry& entry : whole.entries()) {
    const Tensor& tensor = tensors.at(entry.name);
    whole.write(entry.name, tensor);
    const auto* bytes = static_cast<const std::byte*>(tensor.raw());
    for (int64_t i = 0; i < tensor.bytes(); i += 3) {
      pieces.write(entry.name,
                   {bytes + i, static_cast<size_t>(std::min<int64_t>(3, tensor.bytes() - i))});
    }
  }
  whole.finish();
  pieces.finish();
  CHECK(file_content(folder / "whole") == file_content(folder / "pieces"));
  CHECK(whole.checksum() == pieces.checksum());
  CHECK(whole.checksum() == checksum(file_content(folder / "whole")));
}

TEST_CASE("safetensors writer: data out of order, too long or missing is our own error") {
  const ScratchFolder folder;
  const std::vector<TensorEntry> entries = {{"a", DType::u8, {4}}, {"b", DType::u8, {4}}};
  const std::byte bytes[8] = {};
  {
    SafetensorsWriter writer(folder / "m", entries);
    error_of(ErrorKind::internal, [&] { writer.write("b", {bytes, 4}); });
    error_of(ErrorKind::internal, [&] { writer.write("a", {bytes, 5}); });
    writer.write("a", {bytes, 4});
    error_of(ErrorKind::internal, [&] { writer.write("a", {bytes, 1}); });
    error_of(ErrorKind::internal, [&] { writer.finish(); });
  }
  // An unfinished file leaves nothing behind.
  CHECK(files_in(folder) == 0);
  for (const char* name : {"", "__metadata__", "a"}) {
    error_of(ErrorKind::invalid_input, [&] {
      SafetensorsWriter writer(folder / "m", {{"a", DType::u8, {1}}, {name, DType::u8, {1}}});
    });
  }
  CHECK(files_in(folder) == 0);
}

TEST_CASE("safetensors writer: a failure keeps the file that was there") {
  const ScratchFolder folder;
  write_safetensors(folder / "m", {{"a", counting({4}, DType::f32, 1)}});
  const std::string before = file_content(folder / "m");
  { SafetensorsWriter writer(folder / "m", {{"b", DType::f32, {4}}}); }
  CHECK(file_content(folder / "m") == before);
  error_of(ErrorKind::not_found, [&] { write_safetensors(folder / "no/such/folder", {}); });
}

TEST_CASE("safetensors writer: shards have the names and the index of Hugging Face") {
  const auto tensors = example();
  for (const int64_t limit : {1, 20, 113, 130, 1 << 20}) {
    CAPTURE(limit);
    const ScratchFolder folder;
    ShardedSafetensorsWriter writer(folder.path(), entries_of(tensors), limit);
    for (const TensorEntry& entry : writer.entries())
      writer.write(entry.name, tensors.at(entry.name));
    writer.finish();
    const SafetensorsSet set = SafetensorsSet::open(folder.path());
    CHECK(set.tensors().size() == tensors.size());
    for (const auto& [name, tensor] : tensors) CHECK(same(set.tensor(name), tensor));
    for (const auto& [file, sum] : writer.files()) {
      CAPTURE(file);
      CHECK(checksum(file_content(folder / file)) == sum);
    }
    if (limit == 1 << 20) {
      CHECK(files_in(folder) == 1);
      CHECK(std::filesystem::exists(folder / "model.safetensors"));
      continue;
    }
    const JsonView index = JsonView::read_file(folder / "model.safetensors.index.json");
    CHECK(index.object("metadata").integer("total_size") == 3 + 10 + 112 + 0 + 8 + 9);
    CHECK(index.object("weight_map").keys().size() == tensors.size());
    CHECK(writer.files().size() == set.files().size() + 1);
    for (const auto& file : set.files()) {
      int64_t bytes = 0;
      for (const TensorInfo& info : file->tensors()) bytes += info.end - info.begin;
      CHECK((bytes <= limit || file->tensors().back().end == bytes));
    }
  }
}

}  // namespace cadre::io
