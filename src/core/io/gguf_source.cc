#include "core/io/gguf_source.h"

#include <algorithm>
#include <utility>

#include "core/base/pages.h"

namespace cadre::io {

GgufSource::GgufSource(std::shared_ptr<const GgufFile> file) : file_(std::move(file)) {
  for (const GgufTensor& tensor : file_->tensors()) {
    TensorInfo info;
    info.name = tensor.name;
    info.shape = tensor.shape;
    info.begin = tensor.begin;
    info.end = tensor.begin + tensor.bytes;
    if (const auto* dtype = std::get_if<DType>(&tensor.type->stored)) {
      info.dtype = *dtype;
    } else if (const auto* blocks = std::get_if<BlockType>(&tensor.type->stored)) {
      info.blocks = *blocks;
    } else {
      fail(ErrorKind::unsupported, "{}: \"{}\" is of type {}, which cannot be read here",
           file_->path().string(), tensor.name, tensor.type->name);
    }
    tensors_.push_back(std::move(info));
  }
  std::ranges::sort(tensors_, {}, &TensorInfo::name);
}

const GgufTensor& GgufSource::stored(std::string_view name) const {
  const GgufTensor* found = file_->find(name);
  if (found == nullptr) {
    fail(ErrorKind::not_found, "{}: there is no tensor \"{}\"", file_->path().string(), name);
  }
  return *found;
}

Tensor GgufSource::tensor(std::string_view name) const {
  const GgufTensor& found = stored(name);
  CADRE_CHECK(std::holds_alternative<DType>(found.type->stored));
  return file_->tensor(found);
}

std::span<const std::byte> GgufSource::blocks(std::string_view name) const {
  const GgufTensor& found = stored(name);
  CADRE_CHECK(std::holds_alternative<BlockType>(found.type->stored));
  return file_->bytes(found);
}

std::span<const std::byte> GgufSource::mapped(std::string_view name) const {
  return file_->bytes(stored(name));
}

const std::filesystem::path& GgufSource::file_of(std::string_view name) const {
  stored(name);
  return file_->path();
}

void GgufSource::release(std::string_view name) const { release_pages(file_->bytes(stored(name))); }

}  // namespace cadre::io
