// safetensors: the header is believed only after it agrees with the file.
#include <cstring>

#include "core/io/safetensors_set.h"
#include "core/io/safetensors_writer.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {

void read_input(std::string_view bytes) {
  const InputFile file(bytes, "model.safetensors");
  const io::SafetensorsSet set = io::SafetensorsSet::open(file.path());
  uint64_t sum = 0;
  for (const io::TensorInfo& info : set.tensors()) {
    const Tensor tensor = set.tensor(info.name);
    const auto* data = static_cast<const unsigned char*>(tensor.raw());
    for (int64_t i = 0; i < tensor.bytes(); ++i) sum += data[i];
  }
  // Keeps the loop above from being removed: reading is what a sanitizer watches.
  if (sum == ~uint64_t{0}) fail(ErrorKind::internal, "an impossible sum");
}

std::vector<std::string> seeds() {
  const std::string data = "0123456789abcdef";
  std::vector<std::string> files;
  for (const std::vector<io::TensorInfo>& tensors : {
           std::vector<io::TensorInfo>{},
           std::vector<io::TensorInfo>{{"w", DType::f32, Shape{2, 2}, 0, 16}},
           std::vector<io::TensorInfo>{{"blocks.0.a", DType::i64, Shape{}, 0, 8},
                                       {"b", DType::bf16, Shape{3, 1}, 8, 14},
                                       {"none", DType::f16, Shape{0, 5}, 14, 14},
                                       {"c", DType::f8_e4m3, Shape{1, 2}, 14, 16}},
       }) {
    files.push_back(io::format_safetensors_header(tensors, {{"format", "pt"}}));
    if (!tensors.empty()) files.back() += data;
  }
  return files;
}

}  // namespace cadre::fuzz
