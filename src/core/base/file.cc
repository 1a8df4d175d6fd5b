#include "core/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/error.h"

namespace cadre {
namespace {

[[noreturn]] void fail_with_errno(const std::filesystem::path& path, const char* action) {
  const int error = errno;
  ErrorKind kind = ErrorKind::invalid_input;
  if (error == ENOENT || error == ENOTDIR) kind = ErrorKind::not_found;
  if (error == ENOSPC || error == EDQUOT || error == EFBIG || error == ENOMEM || error == EMFILE) {
    kind = ErrorKind::exhausted;
  }
  fail(kind, "{}: cannot {}: {}", path.string(), action, std::strerror(error));
}

// Closes the descriptor when the scope is left.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (descriptor.value < 0) fail_with_errno(path, "open");
  struct stat status {};
  if (::fstat(descriptor.value, &status) != 0) fail_with_errno(path, "inspect");
  if (!S_ISREG(status.st_mode)) {
    fail(ErrorKind::invalid_input, "{}: is not a regular file", path.string());
  }
  const size_t size = static_cast<size_t>(status.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile(path, nullptr, 0));
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.value, 0);
  if (data == MAP_FAILED) fail_with_errno(path, "map");
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::string read_text_file(const std::filesystem::path& path, uint64_t max_bytes) {
  const Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (descriptor.value < 0) fail_with_errno(path, "open");
  struct stat status {};
  if (::fstat(descriptor.value, &status) != 0) fail_with_errno(path, "inspect");
  if (S_ISDIR(status.st_mode)) {
    fail(ErrorKind::invalid_input, "{}: is a folder, expected a file", path.string());
  }
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(descriptor.value, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_with_errno(path, "read");
    if (got == 0) return content;
    content.append(buffer, static_cast<size_t>(got));
    if (content.size() > max_bytes) {
      fail(ErrorKind::invalid_input, "{}: is larger than the limit of {} bytes", path.string(),
           max_bytes);
    }
  }
}

FileWriter::FileWriter(std::filesystem::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_with_errno(path_, "create");
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileWriter::write(const void* data, size_t size) {
  const char* next = static_cast<const char*>(data);
  size_t left = size;
  while (left > 0) {
    const ssize_t put = ::write(descriptor_, next, left);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_with_errno(path_, "write");
    next += put;
    left -= static_cast<size_t>(put);
  }
  bytes_written_ += size;
}

void FileWriter::finish() {
  // Devices and pipes have nothing to sync and say so with EINVAL.
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail_with_errno(path_, "sync");
  const int result = ::close(descriptor_);
  descriptor_ = -1;
  if (result != 0) fail_with_errno(path_, "close");
}

void sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path place = folder.empty() ? std::filesystem::path(".") : folder;
  const Descriptor descriptor{::open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (descriptor.value < 0) fail_with_errno(place, "open");
  // Some file systems cannot sync a folder and say so with EINVAL; there is nothing more to do.
  if (::fsync(descriptor.value) != 0 && errno != EINVAL) fail_with_errno(place, "sync");
}

void write_file_atomically(const std::filesystem::path& name, std::string_view content) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(name, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_directory(status)) {
    FileWriter writer(name);
    writer.write(content);
    writer.finish();
    return;
  }
  std::filesystem::path path = name;
  if (std::filesystem::is_symlink(name, ignored)) {
    path = std::filesystem::weakly_canonical(name, ignored);
    if (path.empty()) path = name;
  }
  std::filesystem::path temporary = path;
  temporary += ".tmp" + std::to_string(::getpid());
  try {
    FileWriter writer(temporary);
    writer.write(content);
    writer.finish();
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_with_errno(path, "replace");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(path.parent_path());
}

uint64_t free_disk_bytes(const std::filesystem::path& path) {
  std::filesystem::path place = std::filesystem::absolute(path);
  while (!std::filesystem::exists(place) && place.has_relative_path()) place = place.parent_path();
  struct statvfs status {};
  if (::statvfs(place.c_str(), &status) != 0) fail_with_errno(place, "inspect the disk of");
  return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace cadre
