// Files of torch.save: every element where the strides say, and nothing outside its storage.
#include "core/io/torch_file.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/io/zip.h"
#include "tests/core/io/torch_bytes.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

// The floats 0, 1, 2, ... as they lie in a storage.
std::string floats(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

std::string refusal(ErrorKind kind, const std::string& bytes) {
  const ScratchFolder folder;
  return error_of(kind, [&] { io::TorchFile::open(folder.write("x.pt", bytes)); });
}

std::string with_tensor(const PickledTensor& tensor) {
  return torch_bytes(pickle_dict({{"w", tensor.bytes()}}), floats(6));
}

std::vector<float> values(const PickledTensor& tensor, bool contiguous) {
  const ScratchFolder folder;
  const auto file = io::TorchFile::open(folder.write("x.pt", with_tensor(tensor)));
  REQUIRE(file->tensors().size() == 1);
  CHECK(file->tensors()[0].info.name == "w");
  CHECK(file->tensors()[0].contiguous == contiguous);
  const Tensor loaded = file->tensor(file->tensors()[0]);
  return {loaded.data<float>(), loaded.data<float>() + loaded.elements()};
}

}  // namespace

TEST_CASE("torch files: elements lie where offset and strides say") {
  CHECK(values({}, true) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(values({.row_stride = 1, .column_stride = 2}, false) ==
        std::vector<float>{0, 2, 4, 1, 3, 5});
  CHECK(values({.offset = 2, .rows = 1}, true) == std::vector<float>{2, 3, 4});
  CHECK(values({.offset = 1, .rows = 2, .columns = 2, .row_stride = 3}, false) ==
        std::vector<float>{1, 2, 4, 5});
  CHECK(values({.offset = 5, .rows = 1, .columns = 1, .row_stride = 1 << 20}, true) ==
        std::vector<float>{5});
  CHECK(values({.rows = 2, .columns = 2, .row_stride = 0}, false) ==
        std::vector<float>{0, 1, 0, 1});
  CHECK(values({.offset = 100, .rows = 0}, true).empty());
}

TEST_CASE("torch files: dicts within dicts give dotted names, what is no tensor is passed over") {
  const ScratchFolder folder;
  const std::string inner = pickle_dict({{"w", PickledTensor().bytes()}});
  // The pickle of the inner dict without its protocol and its end.
  const std::string value = inner.substr(2, inner.size() - 3);
  const auto file = io::TorchFile::open(folder.write(
      "x.pt",
      torch_bytes(pickle_dict({{"model", value}, {"step", "K\5"}, {"note", "N"}}), floats(6))));
  REQUIRE(file->tensors().size() == 1);
  CHECK(file->tensors()[0].info.name == "model.w");
}

TEST_CASE("torch files: whatever leaves its storage is refused, naming the tensor") {
  const int64_t huge = int64_t{1} << 62;
  for (const PickledTensor& tensor : {
           PickledTensor{.count = 7},
           PickledTensor{.count = huge},
           PickledTensor{.count = -1},
           PickledTensor{.offset = 1},
           PickledTensor{.offset = huge},
           PickledTensor{.offset = -1},
           PickledTensor{.rows = 3},
           PickledTensor{.rows = -2},
           PickledTensor{.rows = huge, .columns = huge},
           PickledTensor{.row_stride = 4},
           PickledTensor{.row_stride = huge},
           PickledTensor{.row_stride = -3},
           PickledTensor{.key = "1"},
           // More elements than the storage has, by standing still.
           PickledTensor{.rows = 1 << 30, .columns = 1, .row_stride = 0},
       }) {
    CHECK(contains(refusal(ErrorKind::corrupt_data, with_tensor(tensor)), "\"w\""));
  }
  CHECK(contains(refusal(ErrorKind::unsupported, with_tensor({.storage = "ComplexFloatStorage"})),
                 "torch.ComplexFloatStorage"));
}

TEST_CASE("torch files: what is no such file says so") {
  CHECK(contains(refusal(ErrorKind::corrupt_data, ""), "no zip archive"));
  CHECK(contains(refusal(ErrorKind::corrupt_data, "hello"), "no zip archive"));
  CHECK(contains(refusal(ErrorKind::unsupported, "\x80\x02K\1."), "before version 1.6"));
  CHECK(contains(refusal(ErrorKind::corrupt_data, zip_bytes({{"a/x", "1"}})), "no data.pkl"));
  CHECK(contains(
      refusal(ErrorKind::corrupt_data, zip_bytes({{"a/data.pkl", "N."}, {"b/data.pkl", "N."}})),
      "more than one data.pkl"));
  CHECK(contains(refusal(ErrorKind::unsupported, zip_bytes({{"a/data.pkl", "\x80\x02N."}})),
                 "None, expected a dict"));
  CHECK(contains(refusal(ErrorKind::unsupported,
                         zip_bytes({{"a/data.pkl", "\x80\x02}."}, {"a/byteorder", "big"}})),
                 "\"big\""));
  CHECK(contains(refusal(ErrorKind::unsupported, zip_bytes({{"a/data.pkl", "x"}}, /*method=*/8)),
                 "compressed"));
}

// {first: w, first: w, ...}: the key and the tensor stand in the pickle once and are recalled.
std::string shared_key(const std::string& key, int count) {
  std::string pickle =
      std::string("\x80\x02}(") + pickle_text(key) + "q\1" + PickledTensor().bytes() + "q\2";
  for (int i = 0; i < count; ++i) pickle += "h\1h\2";
  return torch_bytes(pickle + "u.", floats(6));
}

// {prefix: {0: w, 1: w, ...}}: the prefix stands there once.
std::string shared_prefix(const std::string& prefix, int count) {
  std::string pickle = std::string("\x80\x02}") + pickle_text(prefix) + "}(";
  pickle += std::string("K") + '\0' + PickledTensor().bytes() + "q\2";
  for (int i = 1; i < count; ++i) pickle += "M" + little(static_cast<uint64_t>(i), 2) + "h\2";
  return torch_bytes(pickle + "us.", floats(6));
}

TEST_CASE("torch files: names that stand there once do not multiply") {
  const ScratchFolder folder;
  const ErrorKind corrupt = ErrorKind::corrupt_data;
  CHECK(contains(refusal(corrupt, shared_key("w", 1)), "two tensors are called \"w\""));
  CHECK(contains(refusal(corrupt, shared_key(std::string(4097, 'w'), 0)), "expected at most 4096"));
  const std::string most(4096, 'w');
  const auto longest = io::TorchFile::open(folder.write("x.pt", shared_key(most, 0)));
  CHECK(longest->tensors().front().info.name == most);
  CHECK(io::TorchFile::open(folder.write("y.pt", shared_prefix("model", 100)))->tensors().size() ==
        100);
  // 1000 names of 4 KB from 9 KB.
  CHECK(contains(refusal(corrupt, shared_prefix(std::string(4000, 'w'), 1000)),
                 "names of its tensors take more than"));
}

TEST_CASE("zip: entries of a truncated or overwritten archive never lie outside it") {
  const std::string good = with_tensor({});
  // The last three bytes are zeros, and minizip takes missing ones for that.
  for (size_t size = 0; size + 3 < good.size(); ++size) {
    CAPTURE(size);
    refusal(ErrorKind::corrupt_data, good.substr(0, size));
  }
  for (size_t at = 0; at < good.size(); ++at) {
    std::string spoilt = good;
    spoilt[at] = static_cast<char>(spoilt[at] ^ 0x7f);
    try {
      const auto bytes = std::as_bytes(std::span(spoilt));
      for (const io::ZipEntry& entry : io::list_zip_entries(bytes, "x.zip")) {
        if (entry.bytes.empty()) continue;
        REQUIRE(entry.bytes.data() >= bytes.data());
        REQUIRE(entry.bytes.data() + entry.bytes.size() <= bytes.data() + bytes.size());
      }
    } catch (const Error& error) {
      REQUIRE(error.kind() != ErrorKind::internal);
    }
  }
}

TEST_CASE("torch sets: a tensor in several files must be the same in all") {
  const ScratchFolder folder;
  const auto one = folder.write("1.pt", with_tensor({}));
  const auto same = folder.write("2.pt", with_tensor({}));
  const auto other = folder.write("3.pt", with_tensor({.row_stride = 1, .column_stride = 2}));
  const io::TorchSet set({one, same});
  CHECK(set.names() == std::vector<std::string>{"w"});
  CHECK(set.file_of("w") == one);
  CHECK(set.tensor("w").data<float>()[3] == 3.0f);
  const std::string message = error_of(ErrorKind::corrupt_data, [&] {
    const io::TorchSet differ({one, other});
  });
  CHECK(contains(message, "3.pt: \"w\" differs from the one in "));
}

TEST_CASE("torch sets: an index that disagrees with its files is refused by name") {
  const ScratchFolder folder;
  folder.write("a.bin", with_tensor({}));
  const auto open = [&](const std::string& map) {
    return io::TorchSet::open_index(
        folder.write("pytorch_model.bin.index.json", R"({"weight_map": )" + map + "}"));
  };
  CHECK(open(R"({"w": "a.bin"})")->contains("w"));
  CHECK(
      contains(error_of(ErrorKind::corrupt_data, [&] { open(R"({"w": "a.bin", "v": "a.bin"})"); }),
               "lacks the tensor \"v\""));
  folder.write(
      "b.bin",
      torch_bytes(pickle_dict({{"v", PickledTensor().bytes()}, {"u", PickledTensor().bytes()}}),
                  floats(6)));
  CHECK(
      contains(error_of(ErrorKind::corrupt_data, [&] { open(R"({"w": "a.bin", "v": "b.bin"})"); }),
               "holds the tensor \"u\""));
  error_of(ErrorKind::not_found, [&] { open(R"({"w": "absent.bin"})"); });
  CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { open(R"({"w": "../a.bin"})"); }),
                 "../a.bin"));
}

}  // namespace cadre
