// The tensors of a model as one set, whether they lie in one safetensors file or in many.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/safetensors.h"

namespace cadre::io {

// Immutable, so threads may share it; tensors keep their files mapped after the set is gone.
class SafetensorsSet final : public TensorSource {
 public:
  // path is a .safetensors file, an index (*.index.json), or a folder that holds model.safetensors
  // or model.safetensors.index.json, in that order of preference. An index must name every tensor
  // of its files and nothing else, and name files beside it. Throws Error(not_found), and the
  // errors of SafetensorsFile::open for every file, all of which are checked here.
  static SafetensorsSet open(const std::filesystem::path& path);

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  // As SafetensorsFile::tensor.
  Tensor tensor(std::string_view name) const override;
  std::span<const std::byte> mapped(std::string_view name) const override;
  const std::filesystem::path& file_of(std::string_view name) const override;
  void release(std::string_view name) const override;
  const std::vector<std::shared_ptr<const SafetensorsFile>>& files() const { return files_; }

 private:
  void add(std::shared_ptr<const SafetensorsFile> file);
  void sort();
  // The position among tensors_; throws Error(not_found).
  size_t position(std::string_view name) const;

  std::filesystem::path path_;
  std::vector<std::shared_ptr<const SafetensorsFile>> files_;
  std::vector<TensorInfo> tensors_;
  std::vector<size_t> file_of_;  // for each of tensors_
};

}  // namespace cadre::io
