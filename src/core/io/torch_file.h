// Files that torch.save wrote: a zip archive with a pickle and one entry for each storage.
//
//   NAME/data.pkl    the saved value: dicts, lists and tensors; a tensor is a call of
//                    torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...)
//   NAME/data/KEY    the bytes of a storage, which several tensors may share
//
// https://pytorch.org/docs/stable/notes/serialization.html. Nothing in the pickle is run
// (core/io/pickle.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file.h"
#include "core/io/tensor_source.h"

namespace cadre::io {

struct TorchTensor {
  TensorInfo info;
  std::span<const std::byte> storage;  // from its first element on
  std::vector<int64_t> strides;        // in elements
  bool contiguous = true;
};

// Immutable, so threads may share it.
class TorchFile {
 public:
  // Tensors have the names under which they lie in the saved dict; those of dicts within it follow
  // after a dot: "model.norm.weight", of up to 4096 bytes. Values that are no tensors are passed
  // over. Throws Error(not_found), Error(corrupt_data) for what disagrees with itself, and
  // Error(unsupported) for pickles that hold more than data, other element types, and the format
  // before torch 1.6.
  static std::shared_ptr<const TorchFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  // Sorted by name.
  const std::vector<TorchTensor>& tensors() const { return tensors_; }
  // On the mapped pages if the elements lie in row-major order and aligned, else a copy in that
  // order.
  Tensor tensor(const TorchTensor& tensor) const;

 private:
  explicit TorchFile(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

  std::shared_ptr<const MappedFile> file_;
  std::vector<TorchTensor> tensors_;
};

// The tensors of several such files as one set.
class TorchSet final : public TensorSource {
 public:
  // A tensor that several files hold must be the same in all of them; bytes are compared.
  explicit TorchSet(const std::vector<std::filesystem::path>& files);
  // Of an index such as pytorch_model.bin.index.json, which must name every tensor of its files and
  // nothing else.
  static std::shared_ptr<const TorchSet> open_index(const std::filesystem::path& index);

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  Tensor tensor(std::string_view name) const override;
  std::span<const std::byte> mapped(std::string_view name) const override;
  const std::filesystem::path& file_of(std::string_view name) const override;
  void release(std::string_view name) const override;

 private:
  TorchSet() = default;
  void take(const std::vector<std::shared_ptr<const TorchFile>>& files);

  struct Place {
    std::shared_ptr<const TorchFile> file;
    const TorchTensor* tensor;
  };
  const Place& place(std::string_view name) const;

  std::vector<TensorInfo> infos_;
  std::vector<Place> places_;  // of each
};

}  // namespace cadre::io
