// Writes safetensors: one file, or a folder of shards as Hugging Face names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file.h"
#include "core/io/checksum.h"
#include "core/io/safetensors.h"

namespace cadre::io {

// A tensor that is going to be written.
struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;

  int64_t bytes() const { return shape.elements() * dtype_size(dtype); }
};

using Metadata = std::map<std::string, std::string>;

// Streams tensors into one file. The header is written first, so all entries are named in advance;
// their data then comes in the order of entries(): the order given, except that wider element types
// go first, so that every tensor is aligned without gaps. The file appears under its name with
// finish(); without it nothing is left behind. Throws the errors of FileWriter, and
// Error(internal) for data that is out of order, too short or too long.
class SafetensorsWriter {
 public:
  SafetensorsWriter(std::filesystem::path path, std::vector<TensorEntry> entries,
                    const Metadata& metadata = {});
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  const std::vector<TensorEntry>& entries() const { return entries_; }
  // The next piece of the named tensor; a tensor may come in any number of pieces.
  void write(std::string_view name, std::span<const std::byte> piece);
  void write(std::string_view name, const Tensor& tensor);
  void finish();

  const std::filesystem::path& path() const { return path_; }
  uint64_t bytes_written() const { return writer_.bytes_written(); }
  // Of the whole file so far.
  uint64_t checksum() const { return checksum_.value(); }

 private:
  // Moves on to the first tensor that still lacks data.
  void skip_complete();
  void put(const void* data, size_t size);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::vector<TensorEntry> entries_;
  FileWriter writer_;
  Checksum checksum_;
  size_t next_ = 0;      // the entry whose data comes next
  int64_t written_ = 0;  // bytes of it that are there
  bool finished_ = false;
};

// Writes tensors at hand into one file, all or nothing.
void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, Tensor>& tensors, const Metadata& metadata = {});

// The same over as many files as max_shard_bytes demands: model.safetensors if one is enough,
// otherwise model-00001-of-0000n.safetensors and model.safetensors.index.json, which is written
// last. A tensor larger than the limit has a file to itself. One shard is open at a time.
class ShardedSafetensorsWriter {
 public:
  ShardedSafetensorsWriter(std::filesystem::path folder, std::vector<TensorEntry> entries,
                           int64_t max_shard_bytes, Metadata metadata = {{"format", "pt"}});

  // In the order in which data must come.
  const std::vector<TensorEntry>& entries() const { return entries_; }
  void write(std::string_view name, std::span<const std::byte> piece);
  void write(std::string_view name, const Tensor& tensor);
  void finish();

  // The files with their checksums, after finish().
  const std::map<std::string, uint64_t>& files() const { return files_; }

 private:
  struct Shard {
    std::string file;
    std::vector<TensorEntry> entries;
  };
  void open_shard();
  void close_shard();

  std::filesystem::path folder_;
  Metadata metadata_;
  std::vector<Shard> shards_;
  std::vector<TensorEntry> entries_;
  std::optional<SafetensorsWriter> writer_;
  size_t shard_ = 0;     // of the data that comes next
  size_t entry_ = 0;     // within the shard
  int64_t written_ = 0;  // bytes of it that are there
  std::map<std::string, uint64_t> files_;
};

}  // namespace cadre::io
