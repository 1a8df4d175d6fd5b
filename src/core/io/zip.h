// The entries of a zip archive that lie in it uncompressed, so that they can be mapped.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace cadre::io {

struct ZipEntry {
  std::string name;
  std::span<const std::byte> bytes;  // of the archive
};

// All entries, in the order of the archive's directory; `where` starts messages. Zip64 is
// understood. Throws Error(corrupt_data) for a broken directory and entries that leave the archive,
// Error(unsupported) for compressed or encrypted ones. Checksums are not compared: that would read
// every byte.
std::vector<ZipEntry> list_zip_entries(std::span<const std::byte> archive,
                                       const std::string& where);

}  // namespace cadre::io
