// How fast a disk reads, past the system's cache.
#pragma once

#include <cstdint>
#include <filesystem>

namespace cadre {

struct DiskSpeed {
  double bytes_per_second = 0.0;
  int64_t bytes = 0;        // that were read to find out
  bool past_cache = false;  // read with O_DIRECT; else the file's cached pages were dropped first
};

// Reads a file in pieces of 4 MiB (a smaller file as one piece), four at a time, from places all
// over it, for about `seconds` or until each piece has been read once. Throws Error(not_found) for
// a file that cannot be opened and Error(invalid_input) for one that is shorter than a page.
DiskSpeed measure_disk_speed(const std::filesystem::path& file, double seconds = 1.0);

// Asks the system to forget the pages of a file that it has cached, but for those that are mapped.
void drop_cached_pages(const std::filesystem::path& file);

}  // namespace cadre
