// The weights of a stored model, read as our parameters whatever the files call them and however
// they lay them out.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/range.h"
#include "core/io/tensor_source.h"
#include "core/ops/context.h"
#include "core/ops/weight.h"
#include "model/families/family.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::model {

// What converting and loading ask of a stored model. Immutable, so threads may share it.
class Weights {
 public:
  virtual ~Weights() = default;

  // The parameters of the spec, in its order.
  virtual const std::vector<ParameterSpec>& parameters() const = 0;
  // The element type that keeps every value of a parameter: the type in the file, or f32 for
  // quantised ones.
  virtual DType dtype(int64_t parameter) const = 0;
  // The bytes of all its tensors and the number of tensors in the files.
  virtual int64_t stored_bytes() const = 0;
  virtual int64_t num_tensors() const = 0;
  // How many elements are stored in which type (TensorSource::stored_type), most first.
  virtual std::vector<std::pair<std::string, int64_t>> stored_types() const = 0;

  // Elements of a parameter, in our order, converted to `type`: out has range.size() of them.
  virtual void read(Context& ctx, int64_t parameter, Range elements, DType type,
                    void* out) const = 0;
  // The same elements as a tensor on the mapped file, if they lie there in our order, in that type
  // and aligned; otherwise an empty tensor. Not writable; keeps the file mapped.
  virtual Tensor view(int64_t parameter, Range elements, DType type) const = 0;
  // A whole matrix or stack of them as such views of equal numbers of rows, end to end; none if the
  // files do not hold it so.
  virtual std::vector<Tensor> row_views(int64_t parameter, DType type) const = 0;
  // The type of a quantised parameter. Nothing if the file does not hold all of it in blocks of one
  // type, row by row.
  virtual std::optional<BlockType> block_type(int64_t parameter) const = 0;
  // Rows [begin, end) of such a parameter, counted through all its matrices, as the file holds
  // them, whatever their order there. They stay until released.
  virtual std::vector<ops::BlockRows> blocks(int64_t parameter, Range rows) const = 0;
  // Where these elements lie on mapped pages, whatever their order there: what reading them will
  // touch. Nothing if they are not on mapped pages.
  virtual std::vector<std::span<const std::byte>> mapped(int64_t parameter,
                                                         Range elements) const = 0;
  // Whether reading makes tensors of the file anew, in memory that blocks() keeps until they are
  // released, rather than looking at mapped pages alone.
  virtual bool is_made(int64_t parameter) const = 0;
  // Gives back the memory of mapped pages that hold these elements; reading them again is allowed.
  virtual void release(int64_t parameter, Range elements) const = 0;
};

// Elements of a parameter as a tensor of rank 1, viewed if possible, else read into memory of ctx.
Tensor elements_of(Context& ctx, const Weights& weights, int64_t parameter, Range elements,
                   DType type);

// Weights in files that a layout describes. `place` is what messages call the whole. Every tensor
// of the source must have its place and every parameter its tensors: missing, left-over, misshapen
// or wrongly typed ones are Error(corrupt_data or unsupported) that name file and tensor. Of the
// layouts, the one is taken most of whose names are there.
//
// A model with tied embeddings may carry the head all the same; the embedding counts, as in
// transformers.
std::unique_ptr<const Weights> weights_in(std::shared_ptr<const io::TensorSource> source,
                                          std::span<const NameLayout> layouts,
                                          const ModelSpec& spec,
                                          const std::filesystem::path& place);

}  // namespace cadre::model
