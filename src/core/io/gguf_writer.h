// Writes GGUF version 3, streaming; the same bytes for the same input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/file.h"
#include "core/io/gguf.h"
#include "core/tensor/shape.h"

namespace cadre::io {

// Keys with values, in the order in which they are written.
class GgufMetadata {
 public:
  using Value = std::variant<uint32_t, int32_t, float, bool, std::string, uint64_t, int64_t, double,
                             std::vector<uint32_t>, std::vector<int32_t>, std::vector<float>,
                             std::vector<std::string>>;

  // Adds the key or replaces its value.
  void set(std::string_view key, Value value);
  const Value* find(std::string_view key) const;  // null if there is none
  const std::vector<std::pair<std::string, Value>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<std::string, Value>> pairs_;
};

// A tensor that is going to be written.
struct GgufEntry {
  std::string name;
  Shape shape;           // at most 4 extents, outermost first
  const GgmlType* type;  // of which find_ggml_type knows

  int64_t bytes() const;
};

// The bytes before the data of the first tensor. They do not depend on the tensors' types.
int64_t gguf_header_bytes(const GgufMetadata& metadata, const std::vector<GgufEntry>& entries);

// The header goes first, so all tensors are named in advance; their data then comes in the order of
// the entries, each in any number of pieces. The file appears under its name with finish(); without
// it nothing is left behind. Throws the errors of FileWriter, Error(invalid_input) for names that
// are empty, too long or repeated and rows that are not whole blocks, and Error(internal) for data
// that is out of order, too short or too long.
class GgufWriter {
 public:
  GgufWriter(std::filesystem::path path, const GgufMetadata& metadata,
             std::vector<GgufEntry> entries);
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  const std::vector<GgufEntry>& entries() const { return entries_; }
  void write(std::string_view name, std::span<const std::byte> piece);
  void finish();
  uint64_t bytes_written() const { return writer_.bytes_written(); }

 private:
  void pad();
  // Moves on to the first tensor that still lacks data.
  void skip_complete();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::vector<GgufEntry> entries_;
  FileWriter writer_;
  size_t next_ = 0;      // the entry whose data comes next
  int64_t written_ = 0;  // bytes of it that are there
  bool finished_ = false;
};

}  // namespace cadre::io
