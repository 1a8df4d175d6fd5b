#include "core/io/safetensors_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/io/json_value.h"
#include "core/tensor/contents.h"

namespace cadre::io {
namespace {

void check_names(const std::vector<TensorEntry>& entries, const std::filesystem::path& path) {
  std::set<std::string_view> names;
  for (const TensorEntry& entry : entries) {
    if (entry.name.empty() || entry.name == "__metadata__" || !names.insert(entry.name).second) {
      fail(ErrorKind::invalid_input,
           "{}: \"{}\" cannot be the name of a tensor here: it is empty, "
           "reserved or taken",
           path.string(), entry.name);
    }
  }
}

void sort_by_width(std::vector<TensorEntry>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return dtype_size(a.dtype) > dtype_size(b.dtype);
  });
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  std::filesystem::path temporary = path;
  temporary += ".tmp" + std::to_string(::getpid());
  return temporary;
}

void expect_entry(const Tensor& tensor, const TensorEntry& entry) {
  CADRE_CHECK(tensor.dtype() == entry.dtype && tensor.shape() == entry.shape);
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path, std::vector<TensorEntry> entries,
                                     const Metadata& metadata)
    : path_(std::move(path)),
      temporary_(temporary_name(path_)),
      entries_(std::move(entries)),
      writer_(temporary_) {
  try {
    check_names(entries_, path_);
    sort_by_width(entries_);
    std::vector<TensorInfo> infos;
    int64_t end = 0;
    for (const TensorEntry& entry : entries_) {
      const int64_t begin = end;
      end += entry.bytes();
      infos.push_back({entry.name, entry.dtype, entry.shape, begin, end});
    }
    const std::string header = format_safetensors_header(infos, metadata);
    put(header.data(), header.size());
    skip_complete();
  } catch (...) {
    ::unlink(temporary_.c_str());
    throw;
  }
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!finished_) ::unlink(temporary_.c_str());
}

void SafetensorsWriter::put(const void* data, size_t size) {
  writer_.write(data, size);
  checksum_.update(data, size);
}

void SafetensorsWriter::skip_complete() {
  while (next_ < entries_.size() && written_ == entries_[next_].bytes()) {
    ++next_;
    written_ = 0;
  }
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> piece) {
  if (piece.empty()) return;
  CADRE_CHECK(next_ < entries_.size() && entries_[next_].name == name);
  CADRE_CHECK(static_cast<int64_t>(piece.size()) <= entries_[next_].bytes() - written_);
  put(piece.data(), piece.size());
  written_ += static_cast<int64_t>(piece.size());
  skip_complete();
}

void SafetensorsWriter::write(std::string_view name, const Tensor& tensor) {
  if (tensor.elements() == 0) return;
  CADRE_CHECK(next_ < entries_.size());
  expect_entry(tensor, entries_[next_]);
  write(name, bytes_of(tensor));
}

void SafetensorsWriter::finish() {
  CADRE_CHECK(!finished_ && next_ == entries_.size());
  writer_.finish();
  std::error_code error;
  std::filesystem::rename(temporary_, path_, error);
  if (error) {
    fail(ErrorKind::invalid_input, "{}: cannot replace: {}", path_.string(), error.message());
  }
  finished_ = true;
  sync_folder(path_.parent_path());
}

void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, Tensor>& tensors, const Metadata& metadata) {
  std::vector<TensorEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    entries.push_back({name, tensor.dtype(), tensor.shape()});
  }
  SafetensorsWriter writer(path, std::move(entries), metadata);
  for (const TensorEntry& entry : writer.entries())
    writer.write(entry.name, tensors.at(entry.name));
  writer.finish();
}

ShardedSafetensorsWriter::ShardedSafetensorsWriter(std::filesystem::path folder,
                                                   std::vector<TensorEntry> entries,
                                                   int64_t max_shard_bytes, Metadata metadata)
    : folder_(std::move(folder)), metadata_(std::move(metadata)) {
  check_names(entries, folder_);
  int64_t bytes = 0;
  for (TensorEntry& entry : entries) {
    const int64_t size = entry.bytes();
    const bool full =
        !shards_.empty() && !shards_.back().entries.empty() && size > max_shard_bytes - bytes;
    if (shards_.empty() || full) {
      shards_.emplace_back();
      bytes = 0;
    }
    bytes += size;
    shards_.back().entries.push_back(std::move(entry));
  }
  if (shards_.empty()) shards_.emplace_back();
  for (size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = shards_[i];
    shard.file = shards_.size() == 1
                     ? "model.safetensors"
                     : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards_.size());
    sort_by_width(shard.entries);
    entries_.insert(entries_.end(), shard.entries.begin(), shard.entries.end());
  }
  open_shard();
}

void ShardedSafetensorsWriter::open_shard() {
  writer_.emplace(folder_ / shards_[shard_].file, shards_[shard_].entries, metadata_);
}

void ShardedSafetensorsWriter::close_shard() {
  writer_->finish();
  files_[shards_[shard_].file] = writer_->checksum();
  writer_.reset();
  ++shard_;
  entry_ = 0;
}

void ShardedSafetensorsWriter::write(std::string_view name, std::span<const std::byte> piece) {
  if (piece.empty()) return;
  // The shard is closed when the next one begins, so that empty tensors at its end cost nothing.
  const auto complete = [&] {
    return entry_ == shards_[shard_].entries.size() ||
           written_ == shards_[shard_].entries[entry_].bytes();
  };
  while (complete()) {
    if (entry_ < shards_[shard_].entries.size()) {
      ++entry_;
      written_ = 0;
      continue;
    }
    CADRE_CHECK(shard_ + 1 < shards_.size());
    close_shard();
    open_shard();
  }
  writer_->write(name, piece);
  written_ += static_cast<int64_t>(piece.size());
}

void ShardedSafetensorsWriter::write(std::string_view name, const Tensor& tensor) {
  write(name, bytes_of(tensor));
}

void ShardedSafetensorsWriter::finish() {
  close_shard();
  // Shards of empty tensors alone have no data that would have opened them.
  while (shard_ < shards_.size()) {
    open_shard();
    close_shard();
  }
  if (shards_.size() == 1) return;
  JsonValue map = JsonValue::object();
  int64_t total = 0;
  for (const Shard& shard : shards_) {
    for (const TensorEntry& entry : shard.entries) {
      map.set(entry.name, shard.file);
      total += entry.bytes();
    }
  }
  JsonValue index = JsonValue::object();
  index.set("metadata", JsonValue::object().set("total_size", total));
  index.set("weight_map", std::move(map));
  const std::string text = index.pretty() + "\n";
  const std::string name = "model.safetensors.index.json";
  write_file_atomically(folder_ / name, text);
  files_[name] = io::checksum(text);
}

}  // namespace cadre::io
