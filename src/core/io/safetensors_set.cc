#include "core/io/safetensors_set.h"

#include <algorithm>
#include <numeric>

#include "core/base/pages.h"
#include "core/io/shard_index.h"

namespace cadre::io {
namespace {

namespace fs = std::filesystem;

bool ends_with(const fs::path& path, std::string_view ending) {
  return path.filename().string().ends_with(ending);
}

// The file or index that stands for path.
fs::path resolve(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    if (fs::exists(path / name)) return path / name;
  }
  fail(ErrorKind::not_found, "{}: holds neither model.safetensors nor model.safetensors.index.json",
       path.string());
}

}  // namespace

SafetensorsSet SafetensorsSet::open(const fs::path& path) {
  SafetensorsSet set;
  set.path_ = resolve(path);
  if (!ends_with(set.path_, ".json")) {
    set.add(SafetensorsFile::open(set.path_));
    set.sort();
    return set;
  }
  for (const auto& [file, names] : read_shard_index(set.path_)) {
    const fs::path place = set.path_.parent_path() / file;
    const auto opened = SafetensorsFile::open(place);
    std::vector<std::string> held;
    for (const TensorInfo& info : opened->tensors()) held.push_back(info.name);
    check_shard(set.path_, place, names, held);
    set.add(opened);
  }
  set.sort();
  return set;
}

void SafetensorsSet::add(std::shared_ptr<const SafetensorsFile> file) {
  for (const TensorInfo& info : file->tensors()) {
    tensors_.push_back(info);
    file_of_.push_back(files_.size());
  }
  files_.push_back(std::move(file));
}

void SafetensorsSet::sort() {
  std::vector<size_t> order(tensors_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return tensors_[a].name < tensors_[b].name; });
  std::vector<TensorInfo> tensors;
  std::vector<size_t> file_of;
  for (const size_t i : order) {
    tensors.push_back(std::move(tensors_[i]));
    file_of.push_back(file_of_[i]);
  }
  tensors_ = std::move(tensors);
  file_of_ = std::move(file_of);
}

size_t SafetensorsSet::position(std::string_view name) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) {
    fail(ErrorKind::not_found, "{}: there is no tensor \"{}\"", path_.string(), name);
  }
  return static_cast<size_t>(info - tensors_.data());
}

Tensor SafetensorsSet::tensor(std::string_view name) const {
  return files_[file_of_[position(name)]]->tensor(name);
}

std::span<const std::byte> SafetensorsSet::mapped(std::string_view name) const {
  const size_t at = position(name);
  return files_[file_of_[at]]->bytes(tensors_[at]);
}

void SafetensorsSet::release(std::string_view name) const { release_pages(mapped(name)); }

const fs::path& SafetensorsSet::file_of(std::string_view name) const {
  return files_[file_of_[position(name)]]->path();
}

}  // namespace cadre::io
