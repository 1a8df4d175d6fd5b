// Pages of mapped files: which are wanted soon, and which are not needed for now.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cadre {

// Lets the system take back the memory behind these bytes of a read-only mapping; they are read
// again from the file when next touched. What streams a large model through a small memory calls
// this. A hint: pages that the span holds in part stay, and refusal is harmless.
void release_pages(std::span<const std::byte> mapped);

// The same, and asks the system to forget the file's pages too, so that reading them again goes to
// the disk. Refused for files that are not the caller's own.
void evict_pages(std::span<const std::byte> mapped);

// Reads these bytes of a mapping from the file, all of them at once as far as the disk's queue
// goes, and returns when they are in memory.
void populate_pages(std::span<const std::byte> mapped);

// The bytes of this process that are in memory now, mapped files included; 0 where unknown.
int64_t resident_bytes();

// Bytes that this process has had read from disks so far, those that were in the system's cache
// left out; 0 where unknown.
int64_t disk_read_bytes();

}  // namespace cadre
