#include "core/base/disk_speed.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "core/base/error.h"

namespace cadre {
namespace {

constexpr int64_t kLargestPiece = 4 << 20;
constexpr int kReaders = 4;
constexpr int64_t kPage = 4096;

struct Descriptor {
  int value = -1;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

// Whether a piece can be read through this descriptor; some file systems accept O_DIRECT when a
// file is opened and refuse to read.
bool can_read(int descriptor, std::byte* to, int64_t piece) {
  return descriptor >= 0 && ::pread(descriptor, to, static_cast<size_t>(piece), 0) == piece;
}

int64_t size_of(const std::filesystem::path& file) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);
  if (error) fail(ErrorKind::not_found, "{}: cannot be opened", file.string());
  if (size < kPage) {
    fail(ErrorKind::invalid_input, "{}: has {} bytes, too few to measure a disk", file.string(),
         size);
  }
  return static_cast<int64_t>(size);
}

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<std::byte, Free>;

Buffer make_buffer() {
  Buffer buffer(static_cast<std::byte*>(std::aligned_alloc(kPage, kLargestPiece)));
  if (!buffer) fail(ErrorKind::exhausted, "out of memory: {} bytes", kLargestPiece);
  return buffer;
}

}  // namespace

void drop_cached_pages(const std::filesystem::path& file) {
  const Descriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (descriptor.value >= 0) ::posix_fadvise(descriptor.value, 0, 0, POSIX_FADV_DONTNEED);
}

DiskSpeed measure_disk_speed(const std::filesystem::path& file, double seconds) {
  DiskSpeed speed;
  const int64_t size = size_of(file);
  const int64_t piece = std::min(kLargestPiece, size / kPage * kPage);
  const int64_t pieces = size / piece;
  const Buffer first = make_buffer();
  Descriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT)};
  speed.past_cache = can_read(descriptor.value, first.get(), piece);
  if (!speed.past_cache) {
    if (descriptor.value >= 0) ::close(descriptor.value);
    descriptor.value = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor.value < 0) fail(ErrorKind::not_found, "{}: cannot be opened", file.string());
    ::posix_fadvise(descriptor.value, 0, 0, POSIX_FADV_DONTNEED);
  }
  // Neighbours are read far apart: a prime stride visits every piece once.
  constexpr int64_t kStride = 10007;
  const int64_t stride = pieces % kStride == 0 ? 1 : kStride;
  std::vector<Buffer> buffers;
  for (int i = 0; i < kReaders; ++i) buffers.push_back(make_buffer());
  std::atomic<int64_t> next{0}, done{0};
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::vector<std::thread> readers;
  for (const Buffer& buffer : buffers) {
    readers.emplace_back([&, to = buffer.get()] {
      while (elapsed() < seconds) {
        const int64_t i = next.fetch_add(1);
        if (i >= pieces) return;
        const int64_t at = i * stride % pieces * piece;
        if (::pread(descriptor.value, to, static_cast<size_t>(piece), at) != piece) return;
        done.fetch_add(piece);
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  speed.bytes = done.load();
  speed.bytes_per_second = static_cast<double>(speed.bytes) / elapsed();
  return speed;
}

}  // namespace cadre
