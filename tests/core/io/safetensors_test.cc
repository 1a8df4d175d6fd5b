#include "core/io/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>

#include "core/io/safetensors_set.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre::io {
namespace {

std::string with_length(std::string_view header, std::string_view data) {
  std::string out;
  for (size_t i = 0; i < 8; ++i) out += static_cast<char>((header.size() >> (8 * i)) & 0xffu);
  return out + std::string(header) + std::string(data);
}

std::shared_ptr<const SafetensorsFile> open(const ScratchFolder& folder, std::string_view header,
                                            std::string_view data) {
  return SafetensorsFile::open(folder.write("m.safetensors", with_length(header, data)));
}

std::string refused(std::string_view header, std::string_view data,
                    ErrorKind kind = ErrorKind::corrupt_data) {
  const ScratchFolder folder;
  const std::string message = error_of(kind, [&] { open(folder, header, data); });
  CHECK(contains(message, "m.safetensors"));
  return message;
}

}  // namespace

TEST_CASE("safetensors: a file gives its tensors, on the mapped pages") {
  const ScratchFolder folder;
  const float values[] = {1.5f, -2.0f, 0.25f, 8.0f};
  std::string data(reinterpret_cast<const char*>(values), sizeof(values));
  data += std::string("\x80\x3f\x00\x40", 4);  // 1 and 2 in bf16
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]},)"
      R"("none":{"dtype":"I64","shape":[0,3],"data_offsets":[20,20]}})";
  Tensor w;
  {
    const auto file = open(folder, header + std::string((8 - header.size() % 8) % 8, ' '), data);
    CHECK(file->metadata().at("format") == "pt");
    CHECK(file->tensors().size() == 3);
    w = file->tensor("w");
    CHECK(to_f32(file->tensor("b").data<bf16>()[1]) == 2.0f);
    CHECK(file->tensor("none").elements() == 0);
    CHECK(file->find("x") == nullptr);
    CHECK(contains(error_of(ErrorKind::not_found, [&] { file->tensor("x"); }), "\"x\""));
  }
  // The tensor keeps the mapping.
  CHECK(w.shape() == Shape{2, 2});
  CHECK(w.data<float>()[3] == 8.0f);
}

TEST_CASE("safetensors: elements at an odd address are read all the same") {
  const ScratchFolder folder;
  const float value = 3.25f;
  const std::string header =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F32","shape":[],)"
      R"("data_offsets":[1,5]}})";
  std::string data = "x";
  data.append(reinterpret_cast<const char*>(&value), 4);
  const Tensor w = open(folder, header, data)->tensor("w");
  CHECK(reinterpret_cast<uintptr_t>(w.raw()) % 4 == 0);
  CHECK(w.data<float>()[0] == value);
}

TEST_CASE("safetensors: whatever the format forbids is refused by the name of the tensor") {
  const auto one = [](std::string_view entry) { return "{\"w\":{" + std::string(entry) + "}}"; };
  // Offsets that do not fit the shape, the file, or each other.
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), "1234"), "w"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), "1234"), "w"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), "1234"), "w"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])"), "1234"), "w"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), "1234"), "w"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"), "1234"), "w"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), "1234"), "w"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[0.5],"data_offsets":[0,4])"), "1234"), "w"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[1])"), "1234"), "data_offsets"));
  CHECK(contains(refused(one(R"("dtype":"F31","shape":[1],"data_offsets":[0,4])"), "1234"), "F31"));
  CHECK(contains(refused(one(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), "1234"), "f32"));
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1)"), "1234"),
                 "\"x\""));
  // Products beyond 64 bits, of elements and of bytes.
  CHECK(contains(refused(one(R"("dtype":"F32","shape":[4294967296,4294967296,4294967296],)"
                             R"("data_offsets":[0,4])"),
                         "1234"),
                 "w"));
  CHECK(contains(
      refused(one(R"("dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4])"), "1234"),
      "w"));
  // Holes, overlap and what is left over.
  CHECK(contains(refused(one(R"("dtype":"U8","shape":[2],"data_offsets":[1,3])"), "123"),
                 "belong to none"));
  CHECK(contains(refused(one(R"("dtype":"U8","shape":[2],"data_offsets":[0,2])"), "123"), "has 3"));
  CHECK(contains(refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                         R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                         "123"),
                 "overlap"));
  CHECK(contains(refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                         R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                         "12"),
                 "appears twice"));
  // The header as a whole.
  refused("", "");
  refused("[]", "");
  refused(" {}", "");
  refused("{} x", "");
  refused(R"({"__metadata__":{"a":1}})", "");
  refused(R"({"__metadata__":[]})", "");
  refused("{\"w\":" + std::string(10000, '['), "");
}

TEST_CASE("safetensors: types and ranks that tensors do not have are unsupported, not corrupt") {
  CHECK(contains(refused(R"({"w":{"dtype":"U32","shape":[1],"data_offsets":[0,4]}})", "1234",
                         ErrorKind::unsupported),
                 "U32"));
  CHECK(contains(refused(R"({"w":{"dtype":"U8","shape":[1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
                         "1", ErrorKind::unsupported),
                 "7 dimensions"));
}

TEST_CASE("safetensors: a header length beyond the file is refused before anything is read") {
  const ScratchFolder folder;
  for (const std::string& content : {std::string(), std::string(7, '\0'), std::string(8, '\xff'),
                                     std::string("\x64\0\0\0\0\0\0\0{}", 10)}) {
    const auto path = folder.write("m.safetensors", content);
    CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { SafetensorsFile::open(path); }),
                   "m.safetensors"));
  }
  error_of(ErrorKind::not_found, [&] { SafetensorsFile::open(folder / "absent"); });
}

TEST_CASE("safetensors: an index must agree with its files, both ways") {
  const ScratchFolder folder;
  const auto file = [](const char* name) {
    return with_length(
        "{\"" + std::string(name) + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", name);
  };
  folder.write("one.safetensors", file("a"));
  folder.write("two.safetensors", file("b"));
  const auto open_index = [&](const std::string& map) {
    return SafetensorsSet::open(
        folder.write("model.safetensors.index.json", "{\"weight_map\":" + map + "}"));
  };
  const SafetensorsSet set = open_index(R"({"b":"two.safetensors","a":"one.safetensors"})");
  CHECK(set.names() == std::vector<std::string>{"a", "b"});
  CHECK(set.tensor("b").data<uint8_t>()[0] == 'b');
  CHECK(set.file_of("a").filename() == "one.safetensors");
  CHECK(contains(error_of(ErrorKind::not_found, [&] { set.tensor("c"); }), "\"c\""));
  CHECK(SafetensorsSet::open(folder.path()).names().size() == 2);

  const auto refused_map = [&](const std::string& map) {
    return error_of(ErrorKind::corrupt_data, [&] { open_index(map); });
  };
  CHECK(contains(refused_map(R"({"a":"one.safetensors","c":"two.safetensors"})"), "\"c\""));
  CHECK(contains(refused_map(R"({"c":"one.safetensors","a":"one.safetensors"})"), "\"c\""));
  CHECK(contains(refused_map(R"({"a":"two.safetensors","b":"two.safetensors"})"), "\"a\""));
  for (const char* name : {"../x", "/etc/passwd", "..", "", "a\\\\b", "a\\u0000b"}) {
    CAPTURE(name);
    CHECK(contains(refused_map("{\"a\":\"" + std::string(name) + "\"}"), "weight_map.a"));
  }
  error_of(ErrorKind::not_found, [&] { open_index(R"({"a":"absent.safetensors"})"); });
}

}  // namespace cadre::io
