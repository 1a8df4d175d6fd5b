// One safetensors file, mapped and checked before any tensor is handed out.
//
//   u64 little endian N | N bytes of JSON, padded with spaces | tensor data, end to end
//
// The JSON maps each name to {"dtype", "shape", "data_offsets": [begin, end]}, offsets counted from
// the end of the header, and "__metadata__" to an object of strings.
// https://github.com/huggingface/safetensors
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file.h"
#include "core/io/tensor_source.h"

namespace cadre::io {

// The names in safetensors headers: "F32", "BF16", "F8_E4M3", ...
std::string safetensors_dtype_name(DType dtype);

// The limit that the reference implementation sets on the length of a header.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

// Immutable, so threads may share it.
class SafetensorsFile {
 public:
  // Throws Error(not_found), and Error(corrupt_data) naming the tensor for everything that the
  // format forbids: a header beyond the file or the limit, repeated names, shapes whose product
  // overflows, offsets that do not match the shape, overlap, and bytes that belong to no tensor.
  // Error(unsupported) for element types and ranks that Tensor does not have.
  static std::shared_ptr<const SafetensorsFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  // Sorted by name.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo* find(std::string_view name) const;  // null if there is none
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The tensor on the mapped pages, which it keeps alive; not writable. Only where the file puts
  // elements at an address that their type does not allow is it a copy. Throws Error(not_found).
  Tensor tensor(std::string_view name) const;
  std::span<const std::byte> bytes(const TensorInfo& info) const;

 private:
  explicit SafetensorsFile(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

  std::shared_ptr<const MappedFile> file_;
  size_t data_begin_ = 0;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

// What the header of a file holds.
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // sorted by name
  std::map<std::string, std::string> metadata;
};

// Parses and checks the JSON of a header whose tensors must fill data_size bytes exactly. Errors as
// SafetensorsFile::open, starting with `where`.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_size,
                                           const std::string& where);

// The header in its binary form, length included, for tensors that lie end to end in the given
// order; padded so that the data after it starts at a multiple of 64 bytes.
std::string format_safetensors_header(const std::vector<TensorInfo>& tensors,
                                      const std::map<std::string, std::string>& metadata);

}  // namespace cadre::io
