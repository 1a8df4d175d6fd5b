#include "core/io/safetensors.h"

#include <algorithm>

#include "core/io/mapped_tensor.h"

namespace cadre::io {

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile(MappedFile::open(path)));
  const std::span<const std::byte> bytes = file->file_->bytes();
  const std::string where = path.string();
  if (bytes.size() < sizeof(uint64_t)) {
    fail(ErrorKind::corrupt_data, "{}: has {} bytes, expected at least {} for the header length",
         where, bytes.size(), sizeof(uint64_t));
  }
  uint64_t length = 0;
  for (size_t i = 0; i < sizeof(length); ++i)
    length |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  const uint64_t most = std::min<uint64_t>(bytes.size() - sizeof(length), kMaxSafetensorsHeader);
  if (length > most) {
    fail(ErrorKind::corrupt_data,
         "{}: header length is {}, expected at most {} in a file of {} bytes", where, length, most,
         bytes.size());
  }
  file->data_begin_ = sizeof(length) + static_cast<size_t>(length);
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + sizeof(length),
                              static_cast<size_t>(length));
  SafetensorsHeader header =
      parse_safetensors_header(json, bytes.size() - file->data_begin_, where);
  file->tensors_ = std::move(header.tensors);
  file->metadata_ = std::move(header.metadata);
  return file;
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const TensorInfo& info, std::string_view n) { return info.name < n; });
  return found == tensors_.end() || found->name != name ? nullptr : &*found;
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorInfo& info) const {
  return file_->bytes().subspan(data_begin_ + static_cast<size_t>(info.begin),
                                static_cast<size_t>(info.end - info.begin));
}

Tensor SafetensorsFile::tensor(std::string_view name) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) {
    fail(ErrorKind::not_found, "{}: there is no tensor \"{}\"", path().string(), name);
  }
  const std::span<const std::byte> data = bytes(*info);
  return mapped_tensor(file_, data, info->shape, info->dtype);
}

}  // namespace cadre::io
