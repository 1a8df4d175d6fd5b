#include "core/io/tensor_source.h"

#include <algorithm>

namespace cadre::io {

std::span<const std::byte> TensorSource::blocks(std::string_view name) const {
  fail(ErrorKind::internal, "\"{}\" is not of blocks", name);
}

std::span<const std::byte> TensorSource::mapped(std::string_view /*name*/) const { return {}; }

bool TensorSource::is_made(std::string_view /*name*/) const { return false; }

void TensorSource::make(std::string_view name, Range /*elements*/, void* /*out*/) const {
  fail(ErrorKind::internal, "\"{}\" is not made anew", name);
}

std::string_view TensorSource::stored_type(std::string_view name) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) fail(ErrorKind::not_found, "there is no tensor \"{}\"", name);
  return info->blocks ? block_type_name(*info->blocks) : dtype_name(info->dtype);
}

std::vector<std::string> TensorSource::names() const {
  std::vector<std::string> names;
  for (const TensorInfo& info : tensors()) names.push_back(info.name);
  return names;
}

const TensorInfo* TensorSource::find(std::string_view name) const {
  const std::vector<TensorInfo>& all = tensors();
  const auto found =
      std::lower_bound(all.begin(), all.end(), name,
                       [](const TensorInfo& info, std::string_view n) { return info.name < n; });
  return found == all.end() || found->name != name ? nullptr : &*found;
}

RenamedTensors::RenamedTensors(std::shared_ptr<const TensorSource> source,
                               const std::unordered_map<std::string, std::string>& new_names)
    : source_(std::move(source)), tensors_(source_->tensors()) {
  for (TensorInfo& info : tensors_) {
    const auto renamed = new_names.find(info.name);
    const std::string old = info.name;
    if (renamed != new_names.end()) info.name = renamed->second;
    if (!old_names_.emplace(info.name, old).second) {
      fail(ErrorKind::corrupt_data, "{}: two tensors are called \"{}\"",
           source_->file_of(old).string(), info.name);
    }
  }
  std::ranges::sort(tensors_, {}, &TensorInfo::name);
}

const std::string& RenamedTensors::old_name(std::string_view name) const {
  const auto found = old_names_.find(std::string(name));
  if (found == old_names_.end()) {
    fail(ErrorKind::not_found, "there is no tensor \"{}\"", name);
  }
  return found->second;
}

Tensor RenamedTensors::tensor(std::string_view name) const {
  return source_->tensor(old_name(name));
}

std::span<const std::byte> RenamedTensors::blocks(std::string_view name) const {
  return source_->blocks(old_name(name));
}

std::span<const std::byte> RenamedTensors::mapped(std::string_view name) const {
  return source_->mapped(old_name(name));
}

const std::filesystem::path& RenamedTensors::file_of(std::string_view name) const {
  return source_->file_of(old_name(name));
}

}  // namespace cadre::io
