// Every cut and every flipped bit of a small file: an error that names it, or tensors within it.
#include <doctest/doctest.h>

#include <numeric>

#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre::io {
namespace {

std::string small_file(const ScratchFolder& folder) {
  Tensor a = Tensor::zeros({2, 3}, DType::f32);
  Tensor b = Tensor::zeros({3}, DType::bf16);
  write_safetensors(folder / "whole", {{"blocks.0.a", a}, {"b", b}}, {{"format", "pt"}});
  return file_content(folder / "whole");
}

// Opens the content and touches every byte of every tensor; true if it was accepted.
bool read_all(const ScratchFolder& folder, const std::string& content) {
  const auto path = folder.write("damaged.safetensors", content);
  try {
    const SafetensorsSet set = SafetensorsSet::open(path);
    for (const TensorInfo& info : set.tensors()) {
      const Tensor tensor = set.tensor(info.name);
      const auto* bytes = static_cast<const unsigned char*>(tensor.raw());
      CHECK(std::accumulate(bytes, bytes + tensor.bytes(), int64_t{0}) >= 0);
    }
    return true;
  } catch (const Error& error) {
    const bool expected =
        error.kind() == ErrorKind::corrupt_data || error.kind() == ErrorKind::unsupported;
    INFO(std::string(error.what()));
    CHECK(expected);
    CHECK(contains(error.what(), "damaged.safetensors"));
    return false;
  }
}

}  // namespace

TEST_CASE("safetensors: a file cut anywhere is refused") {
  const ScratchFolder folder;
  const std::string whole = small_file(folder);
  REQUIRE(read_all(folder, whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(read_all(folder, whole.substr(0, size)));
  }
  CHECK_FALSE(read_all(folder, whole + "x"));
}

TEST_CASE("safetensors: no flipped bit leads out of the file") {
  const ScratchFolder folder;
  const std::string whole = small_file(folder);
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    CAPTURE(bit);
    read_all(folder, damaged);
  }
}

}  // namespace cadre::io
