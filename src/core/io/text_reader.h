// Text files read in pieces or by lines, plain or compressed with zstd or gzip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace cadre::io {

// A stream over the bytes of a file; the content of .zst and .gz files is decompressed on the way,
// with at most 128 MiB of window. One thread at a time.
class TextReader {
 public:
  virtual ~TextReader() = default;

  // Fills up to size bytes; 0 means that the end is reached. Throws Error(corrupt_data), naming the
  // file, for damaged or cut-off compressed data.
  virtual size_t read(char* buffer, size_t size) = 0;

  // The next line without its line break (\n or \r\n) in `line`; false at the end. A longer line is
  // passed over as a whole: `line` is empty then and too_long() true.
  bool next_line(std::string& line, uint64_t max_bytes);
  bool too_long() const { return too_long_; }
  // The number of the line that next_line gave last, from 1.
  int64_t line_number() const { return line_number_; }

 private:
  std::string buffer_;
  size_t begin_ = 0;  // of what is not yet handed out
  bool ended_ = false;
  bool too_long_ = false;
  int64_t line_number_ = 0;
};

// Whether the name says that the content is compressed: .zst or .gz.
bool is_compressed(const std::filesystem::path& path);

// Throws Error(not_found) if the file is not there, Error(invalid_input) if it cannot be read.
std::unique_ptr<TextReader> open_text_reader(const std::filesystem::path& path);

// The whole text, decompressed. Throws Error(invalid_input) beyond max_bytes.
std::string read_text(const std::filesystem::path& path, uint64_t max_bytes);

}  // namespace cadre::io
