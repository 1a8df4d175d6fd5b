// Weights that several tensors of a safetensors file hold: eight-bit floats with scales, and packed
// integers with scales and zero points. What the tensors say of each other is not believed.
#include <cstring>
#include <span>

#include "core/io/float8_source.h"
#include "core/io/packed_integers.h"
#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {
namespace {

uint64_t sum_of(std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  for (const std::byte byte : bytes) sum += static_cast<uint64_t>(byte);
  return sum;
}

// A file of these tensors, end to end; small numbers but for the shape of "w".
std::string file_of(std::vector<io::TensorInfo> tensors, int64_t rows, int64_t columns) {
  std::string data;
  for (io::TensorInfo& info : tensors) {
    info.begin = static_cast<int64_t>(data.size());
    info.end = info.begin + info.shape.elements() * dtype_size(info.dtype);
    for (int64_t i = info.begin; i < info.end; ++i) data.push_back(static_cast<char>(i * 7 % 64));
    if (info.name != "w_shape") continue;
    const int64_t extents[] = {rows, columns};
    std::memcpy(data.data() + info.begin, extents, sizeof(extents));
  }
  return io::format_safetensors_header(tensors, {{"format", "pt"}}) + data;
}

}  // namespace

void read_input(std::string_view bytes) {
  const InputFile file(bytes, "model.safetensors");
  const auto source = io::with_packed_integers(io::with_scaled_float8(
      std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(file.path()))));
  uint64_t sum = 0;
  for (const io::TensorInfo& info : source->tensors()) {
    // Readers cut pieces out of a tensor by what the source says of it.
    CADRE_CHECK(source->find(info.name) == &info);
    if (info.blocks) {
      const std::span<const std::byte> blocks = source->blocks(info.name);
      CADRE_CHECK(static_cast<int64_t>(blocks.size()) == block_bytes(*info.blocks, info.shape));
      sum += sum_of(blocks);
    } else {
      const Tensor tensor = source->tensor(info.name);
      CADRE_CHECK(tensor.shape() == info.shape && tensor.dtype() == info.dtype);
      sum += sum_of(
          {static_cast<const std::byte*>(tensor.raw()), static_cast<size_t>(tensor.bytes())});
    }
    source->release(info.name);
  }
  // Keeps the sums from being removed: reading is what a sanitizer watches.
  if (sum == ~uint64_t{0}) fail(ErrorKind::internal, "an impossible sum");
}

std::vector<std::string> seeds() {
  const auto tensor = [](const char* name, DType type, Shape shape) {
    io::TensorInfo info;
    info.name = name;
    info.dtype = type;
    info.shape = shape;
    return info;
  };
  return {
      file_of({tensor("w_shape", DType::i64, {2}), tensor("w_packed", DType::i32, {2, 8}),
               tensor("w_scale", DType::bf16, {2, 2})},
              2, 64),
      file_of({tensor("w_shape", DType::i64, {2}), tensor("w_packed", DType::i32, {3, 4}),
               tensor("w_scale", DType::f32, {3, 1})},
              3, 16),
      file_of({tensor("w_shape", DType::i64, {2}), tensor("w_packed", DType::i32, {9, 5}),
               tensor("w_zero_point", DType::i32, {2, 2}), tensor("w_scale", DType::f16, {9, 2})},
              9, 40),
      // One bit from two tensors of one name.
      file_of({tensor("w_shape", DType::i64, {2}), tensor("w_packed", DType::i32, {2, 8}),
               tensor("w_scale", DType::f32, {2, 2}), tensor("v", DType::f32, {1})},
              2, 64),
      file_of({tensor("v_scale_inv", DType::f32, {1, 2}), tensor("v", DType::f8_e4m3, {3, 130})}, 0,
              0),
  };
}

}  // namespace cadre::fuzz
