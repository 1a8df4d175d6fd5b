// Bounds-checked steps through the header of a GGUF file; used by the sources of the reader only.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/io/gguf.h"
#include "core/io/json_value.h"

namespace cadre::io {

// Every step says what it reads, for the message if the file ends before it.
class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, std::string where)
      : bytes_(bytes), where_(std::move(where)) {}

  size_t at() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }
  const std::string& where() const { return where_; }

  std::span<const std::byte> take(uint64_t size, std::string_view what) {
    if (size > left()) {
      fail(ErrorKind::corrupt_data, "{}: {} has {} bytes, of which the file holds {}", where_, what,
           size, left());
    }
    const auto piece = bytes_.subspan(at_, static_cast<size_t>(size));
    at_ += piece.size();
    return piece;
  }

  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string_view string(std::string_view what) {
    const auto length = number<uint64_t>(what);
    const auto piece = take(length, what);
    return {reinterpret_cast<const char*>(piece.data()), piece.size()};
  }

  // The values of an array, whose elements take `least` bytes or more.
  void expect_room(uint64_t count, uint64_t least, std::string_view what) const {
    if (count > left() / least) {
      fail(ErrorKind::corrupt_data, "{}: {} claims {} values, more than the {} bytes left can hold",
           where_, what, count, left());
    }
  }

 private:
  std::span<const std::byte> bytes_;
  std::string where_;
  size_t at_ = 0;
};

}  // namespace cadre::io
