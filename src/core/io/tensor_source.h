// Named tensors of a model, whatever files hold them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/range.h"
#include "core/tensor/blocks.h"
#include "core/tensor/tensor.h"

namespace cadre::io {

// What a file says about one tensor.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  int64_t begin = 0;  // bytes from where the file's data starts
  int64_t end = 0;
  // For quantised tensors, whose dtype is then f32: what keeps their values.
  std::optional<BlockType> blocks = std::nullopt;
};

// Immutable, so threads may share it; tensors keep their files mapped after the source is gone.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // Sorted by name.
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  // The tensor on mapped pages, not writable, where the file's layout allows it; else a copy.
  // Throws Error(not_found), and Error(internal) for a quantised tensor.
  virtual Tensor tensor(std::string_view name) const = 0;
  // The blocks of a quantised tensor on mapped pages. Throws Error(internal) for others.
  virtual std::span<const std::byte> blocks(std::string_view name) const;
  // The bytes of a tensor of either kind as they lie on mapped pages; nothing if they do not.
  virtual std::span<const std::byte> mapped(std::string_view name) const;
  // Whether the file holds the tensor in another form, from which tensor() and blocks() make it
  // anew in memory of its own.
  virtual bool is_made(std::string_view name) const;
  // Of such a tensor elements [begin, end), as tensor() has them, or their blocks if it is of
  // blocks and the range of whole ones: what is asked for alone. Throws Error(internal) for others.
  virtual void make(std::string_view name, Range elements, void* out) const;
  // What the file holds the tensor in, for people: a name of DType or BlockType, or int4, int8 for
  // packed integers. Throws Error(not_found).
  virtual std::string_view stored_type(std::string_view name) const;
  // The file that holds the tensor, for messages. Throws Error(not_found).
  virtual const std::filesystem::path& file_of(std::string_view name) const = 0;
  // Gives back the memory of mapped pages that hold the tensor; a hint, see core/base/pages.h.
  virtual void release(std::string_view name) const = 0;

  std::vector<std::string> names() const;
  const TensorInfo* find(std::string_view name) const;  // null if there is none
  bool contains(std::string_view name) const { return find(name) != nullptr; }
};

// The same tensors under other names. Throws Error(corrupt_data) if two names become one.
class RenamedTensors final : public TensorSource {
 public:
  RenamedTensors(std::shared_ptr<const TensorSource> source,
                 const std::unordered_map<std::string, std::string>& new_names);

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  Tensor tensor(std::string_view name) const override;
  std::span<const std::byte> blocks(std::string_view name) const override;
  std::span<const std::byte> mapped(std::string_view name) const override;
  bool is_made(std::string_view name) const override { return source_->is_made(old_name(name)); }
  void make(std::string_view name, Range elements, void* out) const override {
    source_->make(old_name(name), elements, out);
  }
  std::string_view stored_type(std::string_view name) const override {
    return source_->stored_type(old_name(name));
  }
  const std::filesystem::path& file_of(std::string_view name) const override;
  void release(std::string_view name) const override { source_->release(old_name(name)); }

 private:
  const std::string& old_name(std::string_view name) const;

  std::shared_ptr<const TensorSource> source_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, std::string> old_names_;
};

}  // namespace cadre::io
