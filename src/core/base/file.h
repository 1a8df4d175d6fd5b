// Files: read whole, mapped, or written so that a crash leaves the old content or the new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace cadre {

// A read-only mapping of a whole file; pages are read when first touched. Immutable, so threads may
// share it. Throws Error(not_found) if the file cannot be opened, Error(exhausted) if not mapped.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
};

// The whole file as a string. Throws Error(not_found), or Error(invalid_input) beyond max_bytes.
std::string read_text_file(const std::filesystem::path& path, uint64_t max_bytes = 1ull << 32);

// Writes a temporary file beside path, syncs it, and renames it over path. Throws
// Error(exhausted) if the disk is full and Error(invalid_input) if the place cannot be written;
// then the old content of path is untouched and the temporary file removed.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// A sequential writer of a new file that checks every write. Errors as write_file_atomically.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path path);
  ~FileWriter();  // closes without syncing if finish() was not called
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  uint64_t bytes_written() const { return bytes_written_; }
  // Syncs to the disk and closes.
  void finish();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  uint64_t bytes_written_ = 0;
};

// Makes a rename or a creation inside the folder durable.
void sync_folder(const std::filesystem::path& folder);

// Free bytes on the file system that holds path (or its nearest existing parent).
uint64_t free_disk_bytes(const std::filesystem::path& path);

}  // namespace cadre
