// Files of torch.save, from the archive to the elements.
#include "core/io/torch_file.h"
#include "tests/core/io/torch_bytes.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {

void read_input(std::string_view bytes) {
  const InputFile input(bytes, "model.pt");
  const auto file = io::TorchFile::open(input.path());
  uint64_t sum = 0;
  for (const io::TorchTensor& stored : file->tensors()) {
    const Tensor tensor = file->tensor(stored);
    const auto* data = static_cast<const unsigned char*>(tensor.raw());
    for (int64_t i = 0; i < tensor.bytes(); ++i) sum += data[i];
  }
  // Keeps the loop above from being removed: reading is what a sanitizer watches.
  if (sum == ~uint64_t{0}) fail(ErrorKind::internal, "an impossible sum");
}

std::vector<std::string> seeds() {
  const std::string storage(24, 'x');
  return {
      torch_bytes(pickle_dict({{"w", PickledTensor().bytes()}}), storage),
      torch_bytes(pickle_dict({{"a", PickledTensor{.row_stride = 1, .column_stride = 2}.bytes()},
                               {"b", PickledTensor{.offset = 3, .rows = 1}.bytes()},
                               {"c", "K\1"}}),
                  storage),
  };
}

}  // namespace cadre::fuzz
