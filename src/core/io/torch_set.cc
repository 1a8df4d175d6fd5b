#include <algorithm>
#include <cstring>
#include <map>

#include "core/base/pages.h"
#include "core/io/shard_index.h"
#include "core/io/torch_file.h"

namespace cadre::io {
namespace {

bool same_elements(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0);
}

}  // namespace

TorchSet::TorchSet(const std::vector<std::filesystem::path>& files) {
  std::vector<std::shared_ptr<const TorchFile>> opened;
  for (const std::filesystem::path& path : files) opened.push_back(TorchFile::open(path));
  take(opened);
}

void TorchSet::take(const std::vector<std::shared_ptr<const TorchFile>>& files) {
  std::map<std::string_view, Place> places;
  for (const std::shared_ptr<const TorchFile>& file : files) {
    for (const TorchTensor& tensor : file->tensors()) {
      const auto [known, is_new] = places.emplace(tensor.info.name, Place{file, &tensor});
      if (is_new) continue;
      const Place& first = known->second;
      if (!same_elements(first.file->tensor(*first.tensor), file->tensor(tensor))) {
        fail(ErrorKind::corrupt_data, "{}: \"{}\" differs from the one in {}",
             file->path().string(), tensor.info.name, first.file->path().string());
      }
    }
  }
  for (auto& [name, place] : places) {
    infos_.push_back(place.tensor->info);
    places_.push_back(std::move(place));
  }
}

std::shared_ptr<const TorchSet> TorchSet::open_index(const std::filesystem::path& index) {
  std::vector<std::shared_ptr<const TorchFile>> files;
  for (const auto& [file, names] : read_shard_index(index)) {
    const std::filesystem::path place = index.parent_path() / file;
    std::vector<std::string> held;
    const std::shared_ptr<const TorchFile> opened = TorchFile::open(place);
    for (const TorchTensor& tensor : opened->tensors()) held.push_back(tensor.info.name);
    check_shard(index, place, names, held);
    files.push_back(opened);
  }
  const std::shared_ptr<TorchSet> set(new TorchSet());
  set->take(files);
  return set;
}

const TorchSet::Place& TorchSet::place(std::string_view name) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) fail(ErrorKind::not_found, "there is no tensor \"{}\"", name);
  return places_[static_cast<size_t>(info - infos_.data())];
}

Tensor TorchSet::tensor(std::string_view name) const {
  const Place& found = place(name);
  return found.file->tensor(*found.tensor);
}

const std::filesystem::path& TorchSet::file_of(std::string_view name) const {
  return place(name).file->path();
}

std::span<const std::byte> TorchSet::mapped(std::string_view name) const {
  const TorchTensor& tensor = *place(name).tensor;
  if (!tensor.contiguous) return {};
  const auto bytes = tensor.info.shape.elements() * dtype_size(tensor.info.dtype);
  return tensor.storage.first(static_cast<size_t>(bytes));
}

void TorchSet::release(std::string_view name) const { release_pages(place(name).tensor->storage); }

}  // namespace cadre::io
