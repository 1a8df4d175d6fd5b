// Integers packed into words have the values that compressed-tensors gives them.
#include "core/io/packed_integers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "core/io/float8_source.h"
#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

using Tensors = std::map<std::string, Tensor>;

constexpr const char* kCases[] = {"int4",     "int4_zero", "int4_wide",
                                  "int4_row", "int8",      "int8_zero"};

Tensors case_of(const std::string& name) {
  const auto golden = io::SafetensorsFile::open("tests/golden/packed_integers.safetensors");
  Tensors tensors;
  for (const char* part : {"_packed", "_scale", "_shape", "_zero_point"}) {
    if (golden->find(name + part) != nullptr) tensors[name + part] = golden->tensor(name + part);
  }
  return tensors;
}

std::shared_ptr<const io::TensorSource> open(const ScratchFolder& folder, const Tensors& tensors) {
  io::write_safetensors(folder / "model.safetensors", tensors);
  return io::with_packed_integers(
      std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(folder.path())));
}

float value_at(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::bf16) return to_f32(tensor.data<bf16>()[i]);
  if (tensor.dtype() == DType::f16) return to_f32(tensor.data<f16>()[i]);
  return tensor.data<float>()[i];
}

// One value of a block of q4_0 or q8_0.
float block_value(std::span<const std::byte> blocks, BlockType type, int64_t i) {
  const auto* block =
      reinterpret_cast<const uint8_t*>(blocks.data()) + i / 32 * block_layout(type).bytes;
  f16 scale;
  std::memcpy(&scale, block, sizeof(scale));
  const int64_t at = i % 32;
  const int q = type == BlockType::q8_0 ? static_cast<int8_t>(block[2 + at])
                                        : ((block[2 + at % 16] >> (at / 16 * 4)) & 15) - 8;
  return to_f32(scale) * static_cast<float>(q);
}

TEST_CASE("packed integers: values are those of compressed-tensors, as blocks where they can be") {
  const auto golden = io::SafetensorsFile::open("tests/golden/packed_integers.safetensors");
  for (const std::string name : kCases) {
    CAPTURE(name);
    const ScratchFolder folder;
    const Tensors parts = case_of(name);
    const auto source = open(folder, parts);
    REQUIRE(source->names() == std::vector<std::string>{name});
    const io::TensorInfo& info = source->tensors().front();
    const Tensor expected = golden->tensor("values." + name);
    REQUIRE(info.shape == expected.shape());
    const DType type = parts.at(name + "_scale").dtype();
    if (name == "int4" || name == "int4_wide" || name == "int8") {
      REQUIRE(info.blocks);
      CHECK(*info.blocks == (name == "int8" ? BlockType::q8_0 : BlockType::q4_0));
      const auto blocks = source->blocks(name);
      for (int64_t i = 0; i < expected.elements(); ++i) {
        // The package rounds the product to the type of the scale; blocks keep it.
        const float value = block_value(blocks, *info.blocks, i);
        const float rounded = type == DType::bf16 ? to_f32(to_bf16(value)) : to_f32(to_f16(value));
        CHECK(rounded == expected.data<float>()[i]);
      }
      source->release(name);
      CHECK(source->blocks(name).size() == blocks.size());
    } else {
      CHECK_FALSE(info.blocks);
      const Tensor values = source->tensor(name);
      CHECK(values.dtype() == type);
      for (int64_t i = 0; i < expected.elements(); ++i) {
        CHECK(value_at(values, i) == expected.data<float>()[i]);
      }
    }
  }
}

TEST_CASE("packed integers: scales that no block can hold are refused when they are needed") {
  const ScratchFolder folder;
  Tensors tensors = case_of("int4");
  const Tensor scale = Tensor::zeros({5, 3}, DType::bf16);
  scale.data<bf16>()[4] = to_bf16(1e6f);
  tensors["int4_scale"] = scale;
  const auto source = open(folder, tensors);
  CHECK(contains(error_of(ErrorKind::unsupported, [&] { source->blocks("int4"); }), "65504"));
}

TEST_CASE("packed integers: packing gives the words of compressed-tensors") {
  for (const std::string name : {"int4", "int4_row", "int8"}) {
    CAPTURE(name);
    const Tensors parts = case_of(name);
    const Tensor& packed = parts.at(name + "_packed");
    const int64_t columns = parts.at(name + "_shape").data<int64_t>()[1];
    const int bits = name == "int8" ? 8 : 4;
    const auto* words = static_cast<const uint8_t*>(packed.raw());
    std::vector<int8_t> quants;
    for (int64_t row = 0; row < packed.dim(0); ++row) {
      const uint8_t* own = words + row * packed.dim(1) * 4;
      for (int64_t i = 0; i < columns; ++i) {
        const int q = bits == 8 ? own[i] : (own[i / 2] >> (i % 2 * 4)) & 15;
        quants.push_back(static_cast<int8_t>(q - (1 << (bits - 1))));
      }
    }
    const std::vector<std::byte> bytes = io::pack_integers(quants, columns, bits);
    REQUIRE(static_cast<int64_t>(bytes.size()) == packed.bytes());
    CHECK(std::memcmp(bytes.data(), packed.raw(), bytes.size()) == 0);
  }
}

TEST_CASE("packed integers: parts that do not belong together are refused by name") {
  const auto refusal = [](ErrorKind kind, const std::string& name, const std::string& part,
                          const Tensor& other) {
    const ScratchFolder folder;
    Tensors tensors = case_of(name);
    if (other.defined()) {
      tensors[part] = other;
    } else {
      tensors.erase(part);
    }
    return error_of(kind, [&] { open(folder, tensors); });
  };
  const auto shape = [](int64_t rows, int64_t columns) {
    const Tensor tensor = Tensor::empty({2}, DType::i64);
    tensor.data<int64_t>()[0] = rows;
    tensor.data<int64_t>()[1] = columns;
    return tensor;
  };
  const ErrorKind corrupt = ErrorKind::corrupt_data;
  CHECK(contains(refusal(corrupt, "int4", "int4_scale", {}), "without \"int4_scale\""));
  CHECK(contains(refusal(corrupt, "int4", "int4_shape", {}), "without \"int4_shape\""));
  CHECK(contains(refusal(corrupt, "int4", "int4_shape", shape(6, 96)), "says [6, 96]"));
  CHECK(contains(refusal(corrupt, "int4", "int4_shape", shape(5, int64_t{1} << 62)), "says [5,"));
  CHECK(contains(refusal(corrupt, "int4", "int4_shape", shape(5, -96)), "says [5, -96]"));
  CHECK(
      contains(refusal(ErrorKind::unsupported, "int4", "int4_shape", shape(5, 80)), "4 or 8 bits"));
  CHECK(contains(refusal(corrupt, "int4", "int4_scale", Tensor::zeros({5, 5}, DType::bf16)),
                 "[rows, groups]"));
  CHECK(contains(refusal(corrupt, "int4", "int4_packed", Tensor::zeros({5, 12}, DType::f32)),
                 "expected i32"));
  CHECK(contains(
      refusal(corrupt, "int4_zero", "int4_zero_zero_point", Tensor::zeros({1, 2}, DType::i32)),
      "expected i32 [2, 2]"));
  CHECK(contains(
      refusal(ErrorKind::unsupported, "int4", "int4_g_idx", Tensor::zeros({96}, DType::i32)),
      "another order"));
}

TEST_CASE("packed integers: a tensor of the name that its parts make is refused") {
  for (const std::string name : {"int4", "int8_zero"}) {
    const ScratchFolder folder;
    Tensors tensors = case_of(name);
    tensors[name] = Tensor::zeros({1}, DType::f32);
    const std::string message = error_of(ErrorKind::corrupt_data, [&] { open(folder, tensors); });
    CHECK(contains(message, "\"" + name + "\" is there beside \"" + name + "_packed\""));
  }
}

TEST_CASE("eight-bit floats: every number rounds to the nearest, ties to even") {
  for (int bits = 0; bits < 0x7f; ++bits) {
    CAPTURE(bits);
    const float value = io::f8_e4m3_to_f32(static_cast<uint8_t>(bits));
    CHECK(io::f32_to_f8_e4m3(value) == bits);
    CHECK(io::f32_to_f8_e4m3(-value) == (bits | 0x80));
    if (bits == 0x7e) break;
    const float next = io::f8_e4m3_to_f32(static_cast<uint8_t>(bits + 1));
    const float middle = (value + next) / 2.0f;
    CHECK(io::f32_to_f8_e4m3(middle) == (bits % 2 == 0 ? bits : bits + 1));
    CHECK(io::f32_to_f8_e4m3(std::nextafter(middle, 0.0f)) == bits);
    CHECK(io::f32_to_f8_e4m3(std::nextafter(middle, 1e9f)) == bits + 1);
  }
  CHECK(io::f32_to_f8_e4m3(1e9f) == 0x7e);
  CHECK(io::f32_to_f8_e4m3(-INFINITY) == 0xfe);
  CHECK(io::f32_to_f8_e4m3(1e-20f) == 0);
  CHECK((io::f32_to_f8_e4m3(NAN) & 0x7f) == 0x7f);
}

}  // namespace
}  // namespace cadre
