// Our parameters as the tensors of a layout, one after another, in bounded memory.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/range.h"
#include "core/io/safetensors_writer.h"
#include "core/ops/context.h"
#include "model/families/family.h"

namespace cadre::model {

// Elements of a parameter, of rank 1 and in the asked type; need not outlive the next call.
using ElementSource = std::function<Tensor(int64_t parameter, Range elements, DType type)>;

class LayoutWriter {
 public:
  LayoutWriter(const NameLayout& layout, const ModelSpec& spec, DType dtype);

  // Every tensor of the layout, each once, in the order of the parameters.
  std::vector<io::TensorEntry> entries() const;
  // Writes one of them. A tensor whose elements lie as in ours goes through in pieces of 64 MiB;
  // one whose elements move is assembled whole.
  void write(Context& ctx, std::string_view name, const ElementSource& source,
             io::ShardedSafetensorsWriter& files) const;

 private:
  DType dtype_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::vector<FilePart>> parts_;  // ascending by file_offset
};

}  // namespace cadre::model
