// Eight-bit floats with scales are the products that their publisher computes.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>

#include "core/io/float8_source.h"
#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

// A matrix whose bytes count up, and what stands beside it.
std::map<std::string, Tensor> matrix(int64_t rows, int64_t columns) {
  Tensor stored = Tensor::empty({rows, columns}, DType::f8_e4m3);
  for (int64_t i = 0; i < stored.elements(); ++i) {
    // Without the two NaNs.
    static_cast<uint8_t*>(stored.raw())[i] = static_cast<uint8_t>((i * 7) % 127);
  }
  return {{"w", stored}};
}

Tensor scale_of(Shape shape) {
  Tensor scale = Tensor::empty(shape, DType::f32);
  for (int64_t i = 0; i < scale.elements(); ++i) {
    scale.data<float>()[i] = 0.25f + 0.125f * static_cast<float>(i);
  }
  return scale;
}

std::shared_ptr<const io::TensorSource> open(const ScratchFolder& folder,
                                             const std::map<std::string, Tensor>& tensors) {
  io::write_safetensors(folder / "model.safetensors", tensors);
  return io::with_scaled_float8(
      std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(folder.path())));
}

}  // namespace

TEST_CASE("eight-bit floats: all values are those of torch") {
  const auto golden = io::SafetensorsFile::open("tests/golden/float8.safetensors");
  for (const bool e4m3 : {true, false}) {
    const std::string name = e4m3 ? "float8_e4m3fn" : "float8_e5m2";
    const Tensor expected = golden->tensor(name + ".f32");
    for (int bits = 0; bits < 256; ++bits) {
      const auto byte = static_cast<uint8_t>(bits);
      const float got = e4m3 ? io::f8_e4m3_to_f32(byte) : io::f8_e5m2_to_f32(byte);
      const float want = expected.data<float>()[bits];
      CAPTURE(bits);
      CHECK((std::isnan(want) ? std::isnan(got) : got == want));
    }
  }
}

TEST_CASE("eight-bit floats: a scale for all, for each row or for each block of 128") {
  const int64_t rows = 130;
  const int64_t columns = 260;
  for (const auto& [shape, name] :
       {std::pair(Shape{1}, "w_scale"), std::pair(Shape{rows, 1}, "w_scale"),
        std::pair(Shape{2, 3}, "w_scale_inv")}) {
    const ScratchFolder folder;
    std::map<std::string, Tensor> tensors = matrix(rows, columns);
    const Tensor scale = scale_of(shape);
    tensors[name] = scale;
    tensors["norm"] = scale_of({3});
    const auto source = open(folder, tensors);
    CHECK(source->names() == std::vector<std::string>{"norm", "w"});
    CHECK(source->find("w")->dtype == DType::bf16);
    const Tensor product = source->tensor("w");
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        int64_t at = 0;
        if (shape == Shape{rows, 1}) at = r;
        if (shape == Shape{2, 3}) at = r / 128 * 3 + c / 128;
        const auto byte = static_cast<const uint8_t*>(tensors["w"].raw())[r * columns + c];
        const float want = io::f8_e4m3_to_f32(byte) * scale.data<float>()[at];
        REQUIRE(product.data<bf16>()[r * columns + c].bits == to_bf16(want).bits);
      }
    }
  }
}

TEST_CASE("eight-bit floats: without a scale that fits they are refused by name") {
  const auto refusal = [](const std::map<std::string, Tensor>& more) {
    std::map<std::string, Tensor> tensors = matrix(4, 6);
    tensors.insert(more.begin(), more.end());
    const ScratchFolder folder;
    return error_of(ErrorKind::unsupported, [&] { open(folder, tensors); });
  };
  CHECK(contains(refusal({}), "\"w\" is f8_e4m3 [4, 6]"));
  CHECK(contains(refusal({{"w_scale_inv", scale_of({2})}}), "\"w_scale_inv\" is f32 [2]"));
  CHECK(contains(refusal({{"w_scale", Tensor::zeros({1}, DType::i32)}}), "\"w_scale\" is i32"));
}

}  // namespace cadre
