#include "core/io/gguf.h"

#include <array>
#include <cstring>
#include <fstream>
#include <optional>

#include "core/io/gguf_parse.h"
#include "core/io/mapped_tensor.h"

namespace cadre::io {
namespace {

struct KindFacts {
  std::string_view name;
  size_t size;
};

// In the order of GgufKind.
constexpr std::array<KindFacts, 13> kKinds = {{{"u8", 1},
                                               {"i8", 1},
                                               {"u16", 2},
                                               {"i16", 2},
                                               {"u32", 4},
                                               {"i32", 4},
                                               {"f32", 4},
                                               {"a boolean", 1},
                                               {"a string", 0},
                                               {"an array", 0},
                                               {"u64", 8},
                                               {"i64", 8},
                                               {"f64", 8}}};

template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// The integer at `bytes`; nothing if the kind is no integer or the value does not fit.
std::optional<int64_t> load_integer(GgufKind kind, const std::byte* bytes) {
  switch (kind) {
    case GgufKind::u8:
      return load<uint8_t>(bytes);
    case GgufKind::i8:
      return load<int8_t>(bytes);
    case GgufKind::u16:
      return load<uint16_t>(bytes);
    case GgufKind::i16:
      return load<int16_t>(bytes);
    case GgufKind::u32:
      return load<uint32_t>(bytes);
    case GgufKind::i32:
      return load<int32_t>(bytes);
    case GgufKind::i64:
      return load<int64_t>(bytes);
    case GgufKind::u64: {
      const auto value = load<uint64_t>(bytes);
      if (value > INT64_MAX) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> load_number(GgufKind kind, const std::byte* bytes) {
  if (kind == GgufKind::f32) return load<float>(bytes);
  if (kind == GgufKind::f64) return load<double>(bytes);
  const std::optional<int64_t> integer = load_integer(kind, bytes);
  return integer ? std::optional<double>(static_cast<double>(*integer)) : std::nullopt;
}

// One value as an array of one, so that lists are read in one way.
GgufValue as_array(const GgufValue& value) {
  if (value.kind == GgufKind::array) return value;
  return {GgufKind::array, value.kind, 1, value.bytes};
}

}  // namespace

size_t gguf_kind_size(GgufKind kind) { return kKinds[static_cast<size_t>(kind)].size; }
std::string_view gguf_kind_name(GgufKind kind) { return kKinds[static_cast<size_t>(kind)].name; }

bool is_gguf_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  char magic[4] = {};
  std::ifstream file(path, std::ios::binary);
  return file.read(magic, sizeof(magic)) && std::string_view(magic, sizeof(magic)) == "GGUF";
}

const GgufValue* GgufFile::find_value(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::string GgufFile::where(std::string_view key) const {
  return path().string() + ": " + json_quote(key);
}

const GgufValue& GgufFile::value(std::string_view key) const {
  const GgufValue* found = find_value(key);
  if (found == nullptr) fail(ErrorKind::corrupt_data, "{} is missing", where(key));
  return *found;
}

void GgufFile::fail_expected(std::string_view key, const GgufValue& value,
                             std::string_view expected) const {
  std::string found(gguf_kind_name(value.kind));
  if (value.kind == GgufKind::array) {
    found += fmt::format(" of {} times {}", value.count, gguf_kind_name(value.element_kind));
  }
  if (const auto integer = load_number(value.kind, value.bytes.data())) {
    found += fmt::format(" = {}", *integer);
  }
  fail(ErrorKind::corrupt_data, "{} is {}, expected {}", where(key), found, expected);
}

int64_t GgufFile::integer(std::string_view key) const {
  const GgufValue& found = value(key);
  const std::optional<int64_t> integer = load_integer(found.kind, found.bytes.data());
  if (!integer) fail_expected(key, found, "an integer below 2^63");
  return *integer;
}

int64_t GgufFile::integer_or(std::string_view key, int64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}

double GgufFile::number(std::string_view key) const {
  const GgufValue& found = value(key);
  const std::optional<double> number = load_number(found.kind, found.bytes.data());
  if (!number) fail_expected(key, found, "a number");
  return *number;
}

double GgufFile::number_or(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}

bool GgufFile::flag_or(std::string_view key, bool otherwise) const {
  const GgufValue* found = find_value(key);
  if (found == nullptr) return otherwise;
  if (found->kind != GgufKind::boolean) fail_expected(key, *found, "a boolean");
  return found->bytes.front() != std::byte{0};
}

std::string GgufFile::string(std::string_view key) const {
  const GgufValue& found = value(key);
  if (found.kind != GgufKind::string) fail_expected(key, found, "a string");
  return {reinterpret_cast<const char*>(found.bytes.data()), found.bytes.size()};
}

std::string GgufFile::string_or(std::string_view key, std::string otherwise) const {
  return has(key) ? string(key) : std::move(otherwise);
}

std::vector<std::string_view> GgufFile::strings(std::string_view key) const {
  const GgufValue& found = value(key);
  if (found.kind != GgufKind::array || found.element_kind != GgufKind::string) {
    fail_expected(key, found, "an array of strings");
  }
  GgufCursor cursor(found.bytes, where(key));
  std::vector<std::string_view> strings;
  strings.reserve(static_cast<size_t>(found.count));
  for (uint64_t i = 0; i < found.count; ++i) strings.push_back(cursor.string("an element"));
  return strings;
}

std::vector<int64_t> GgufFile::integers(std::string_view key) const {
  const GgufValue list = as_array(value(key));
  const size_t size = gguf_kind_size(list.element_kind);
  std::vector<int64_t> integers;
  for (uint64_t i = 0; i < list.count; ++i) {
    const auto integer = load_integer(list.element_kind, list.bytes.data() + i * size);
    if (!integer) fail_expected(key, value(key), "integers below 2^63");
    integers.push_back(*integer);
  }
  return integers;
}

std::vector<double> GgufFile::numbers(std::string_view key) const {
  const GgufValue list = as_array(value(key));
  const size_t size = gguf_kind_size(list.element_kind);
  std::vector<double> numbers;
  for (uint64_t i = 0; i < list.count; ++i) {
    const auto number = load_number(list.element_kind, list.bytes.data() + i * size);
    if (!number) fail_expected(key, value(key), "numbers");
    numbers.push_back(*number);
  }
  return numbers;
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> GgufFile::bytes(const GgufTensor& tensor) const {
  return file_->bytes().subspan(data_begin_ + static_cast<size_t>(tensor.begin),
                                static_cast<size_t>(tensor.bytes));
}

Tensor GgufFile::tensor(const GgufTensor& tensor) const {
  const auto* dtype = std::get_if<DType>(&tensor.type->stored);
  if (dtype == nullptr) {
    fail(ErrorKind::unsupported, "{}: {} is of {} blocks, expected single elements",
         path().string(), json_quote(tensor.name), tensor.type->name);
  }
  return mapped_tensor(file_, bytes(tensor), tensor.shape, *dtype);
}

}  // namespace cadre::io
