// The tensors of a GGUF file as a TensorSource.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/io/gguf.h"
#include "core/io/tensor_source.h"

namespace cadre::io {

// Quantised tensors count as f32, which keeps their values, and say of what blocks they are. Types
// that cannot be read are Error(unsupported), naming file and tensor.
class GgufSource final : public TensorSource {
 public:
  explicit GgufSource(std::shared_ptr<const GgufFile> file);

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  // Throws Error(internal) for blocks, which blocks() gives.
  Tensor tensor(std::string_view name) const override;
  std::span<const std::byte> blocks(std::string_view name) const override;
  std::span<const std::byte> mapped(std::string_view name) const override;
  const std::filesystem::path& file_of(std::string_view name) const override;
  void release(std::string_view name) const override;

 private:
  // Throws Error(not_found).
  const GgufTensor& stored(std::string_view name) const;

  std::shared_ptr<const GgufFile> file_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace cadre::io
