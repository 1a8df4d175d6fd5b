// A file that only grows, written at once so that a killed process loses at most a part of the last
// record.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace cadre::train {

class AppendFile {
 public:
  // Opens or creates the file and cuts it to `size` bytes. Throws Error(exhausted) if the disk is
  // full, Error(invalid_input) if the place cannot be written.
  AppendFile(std::filesystem::path path, uint64_t size);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void write(std::string_view record);
  // Makes what was written durable.
  void sync();

 private:
  [[noreturn]] void fail_with_errno(const char* action) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace cadre::train
