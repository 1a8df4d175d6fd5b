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
  // All tensors in one element type; or each in that of its parameter, a tensor that holds several
  // in f32 if their types differ. With tied embeddings and `tied_head` the embedding is written a
  // second time, as the head.
  LayoutWriter(const NameLayout& layout, const ModelSpec& spec, DType dtype,
               bool tied_head = false);
  LayoutWriter(const NameLayout& layout, const ModelSpec& spec,
               const std::function<DType(int64_t parameter)>& type_of, bool tied_head = false);

  // Every tensor of the layout, each once, in the order of the parameters.
  std::vector<io::TensorEntry> entries() const;
  int64_t bytes() const;  // of all of them
  // The parameter of which a tensor holds elements; the first, if there are several.
  int64_t parameter_of(std::string_view name) const;
  // Visits the elements of a tensor in its order, as tensors of rank 1: in pieces of 16 Mi
  // elements, or whole if its elements do not lie as in ours.
  void for_each_piece(Context& ctx, std::string_view name, DType type, const ElementSource& source,
                      const std::function<void(const Tensor& piece)>& visit) const;
  // Writes one of them, piece by piece.
  void write(Context& ctx, std::string_view name, const ElementSource& source,
             io::ShardedSafetensorsWriter& files) const;

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, DType> types_;
  std::unordered_map<std::string, std::vector<FilePart>> parts_;  // ascending by file_offset
};

}  // namespace cadre::model
