// One GGUF file, mapped and checked before anything of it is handed out.
//
//   "GGUF" | u32 version | u64 tensors | u64 keys | keys and values | tensor infos | padding | data
//
// All numbers are little-endian; strings are a u64 length and bytes. A tensor info is a name, up to
// four extents (innermost first), a type, and an offset into the data that is a multiple of
// general.alignment (32 unless the file says otherwise).
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/ggml_type.h"
#include "core/tensor/tensor.h"

namespace cadre::io {

// The kinds of values, numbered as in files.
enum class GgufKind : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

// A value of the metadata, as a view of the file.
struct GgufValue {
  GgufKind kind = GgufKind::u8;
  GgufKind element_kind = GgufKind::u8;  // of an array
  uint64_t count = 1;                    // elements of an array
  std::span<const std::byte> bytes;      // the number, the characters, or the elements
};

struct GgufTensor {
  std::string name;
  Shape shape;  // outermost first, as everywhere here
  const GgmlType* type = nullptr;
  int64_t begin = 0;  // bytes from the start of the data
  int64_t bytes = 0;
};

inline constexpr uint64_t kGgufAlignment = 32;
inline constexpr size_t kMaxGgufName = 64;            // bytes of a tensor's name
inline constexpr size_t kMaxGgufKey = (1 << 16) - 1;  // bytes of a key

// Whether the file begins as GGUF files do; false for what cannot be opened.
bool is_gguf_file(const std::filesystem::path& path);

// Immutable, so threads may share it. Opening reads the pages of the header only.
class GgufFile {
 public:
  // Versions 2 and 3. Throws Error(not_found); Error(unsupported) for other versions, big-endian
  // files and types of tensors that are not known; and Error(corrupt_data), naming the key or the
  // tensor, for counts and lengths beyond the file, repeated keys and names, arrays nested deeper
  // than 4, shapes whose product overflows or whose rows are not whole blocks, offsets that are not
  // aligned or lead out of the file, and tensors that overlap. Memory taken is in proportion to the
  // bytes of the header, whatever it claims.
  static std::shared_ptr<const GgufFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  uint32_t version() const { return version_; }

  // --- metadata; each call throws Error(corrupt_data), naming file and key, if the value is of
  // another kind or, without a default, absent.
  bool has(std::string_view key) const { return find_value(key) != nullptr; }
  const GgufValue* find_value(std::string_view key) const;
  const std::vector<std::string>& keys() const { return keys_; }  // in the order of the file
  int64_t integer(std::string_view key) const;                    // of any width that fits int64_t
  int64_t integer_or(std::string_view key, int64_t otherwise) const;
  double number(std::string_view key) const;  // integers count
  double number_or(std::string_view key, double otherwise) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  std::string string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string otherwise) const;
  // Views of the mapped file, which lives as long as this object. A single value counts as a list
  // of one.
  std::vector<std::string_view> strings(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  // "FILE: \"key\"", for messages of the caller's own.
  std::string where(std::string_view key) const;

  // --- tensors, in the order of the file
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find(std::string_view name) const;  // null if there is none
  std::span<const std::byte> bytes(const GgufTensor& tensor) const;
  // A tensor of single elements on the mapped pages, which it keeps alive; not writable. Throws
  // Error(unsupported) for blocks.
  Tensor tensor(const GgufTensor& tensor) const;

 private:
  friend class GgufParser;
  explicit GgufFile(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}
  const GgufValue& value(std::string_view key) const;
  [[noreturn]] void fail_expected(std::string_view key, const GgufValue& value,
                                  std::string_view expected) const;

  std::shared_ptr<const MappedFile> file_;
  uint32_t version_ = 0;
  size_t data_begin_ = 0;
  std::vector<std::string> keys_;
  std::unordered_map<std::string_view, GgufValue> values_;  // views of the file
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;  // views of the file
};

// Bytes of one value of that kind; 0 for strings and arrays, whose size varies.
size_t gguf_kind_size(GgufKind kind);
std::string_view gguf_kind_name(GgufKind kind);

}  // namespace cadre::io
