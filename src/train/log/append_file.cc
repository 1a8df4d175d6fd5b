#include "train/log/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/error.h"

namespace cadre::train {

void AppendFile::fail_with_errno(const char* action) const {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  fail(full ? ErrorKind::exhausted : ErrorKind::invalid_input, "{}: cannot {}: {}", path_.string(),
       action, std::strerror(error));
}

AppendFile::AppendFile(std::filesystem::path path, uint64_t size) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_with_errno("open");
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
    const int error = errno;
    ::close(descriptor_);
    errno = error;
    fail_with_errno("cut");
  }
}

AppendFile::~AppendFile() { ::close(descriptor_); }

void AppendFile::write(std::string_view record) {
  while (!record.empty()) {
    const ssize_t written = ::write(descriptor_, record.data(), record.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno("write");
    record.remove_prefix(static_cast<size_t>(written));
  }
}

void AppendFile::sync() {
  if (::fsync(descriptor_) != 0) fail_with_errno("sync");
}

}  // namespace cadre::train
