#include "core/base/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

namespace cadre {
namespace {

constexpr uintptr_t kReadAheadBytes = 128 << 10;  // Linux's default

uintptr_t page_size() { return static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)); }

// The pages that lie in the span as a whole.
std::span<std::byte> inner_pages(std::span<const std::byte> mapped) {
  const uintptr_t page = page_size();
  const auto first = reinterpret_cast<uintptr_t>(mapped.data());
  const uintptr_t begin = (first + page - 1) / page * page;
  const uintptr_t end = (first + mapped.size()) / page * page;
  if (begin >= end) return {};
  return {reinterpret_cast<std::byte*>(begin), end - begin};
}

}  // namespace

void release_pages(std::span<const std::byte> mapped) {
  const auto pages = inner_pages(mapped);
  if (!pages.empty()) ::madvise(pages.data(), pages.size(), MADV_DONTNEED);
}

void evict_pages(std::span<const std::byte> mapped) {
  const auto pages = inner_pages(mapped);
  if (pages.empty()) return;
  ::madvise(pages.data(), pages.size(), MADV_PAGEOUT);
  ::madvise(pages.data(), pages.size(), MADV_DONTNEED);
}

void populate_pages(std::span<const std::byte> mapped) {
  if (mapped.empty()) return;
  const uintptr_t page = page_size();
  const auto first = reinterpret_cast<uintptr_t>(mapped.data());
  const uintptr_t begin = first / page * page;
  const uintptr_t end = first + mapped.size();
  // One call asks for no more than the disk's read-ahead, and faults would wait for as little.
  for (uintptr_t at = begin; at < end; at += kReadAheadBytes) {
    ::madvise(reinterpret_cast<void*>(at), std::min(kReadAheadBytes, end - at), MADV_WILLNEED);
  }
  if (::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ) == 0) return;
  // Systems before Linux 5.14 do not know it.
  for (uintptr_t at = begin; at < end; at += page) {
    static_cast<void>(*reinterpret_cast<const volatile std::byte*>(std::max(at, first)));
  }
}

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  if (!(statm >> total >> resident)) return 0;
  return resident * static_cast<int64_t>(page_size());
}

int64_t disk_read_bytes() {
  std::ifstream io("/proc/self/io");
  std::string key;
  int64_t value = 0;
  while (io >> key >> value) {
    if (key == "read_bytes:") return value;
  }
  return 0;
}

}  // namespace cadre
