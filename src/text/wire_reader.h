// The wire format of protocol buffers, for reading: a message is a row of fields, each with a
// number and a value of one of four shapes. Every length is checked against the bytes there are.
// https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <string_view>

namespace cadre::text {

class WireReader {
 public:
  enum class Shape { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };
  struct Field {
    uint32_t number;
    Shape shape;
    uint64_t integer;        // of varint, fixed64 and fixed32
    std::string_view bytes;  // of bytes: a string or a message
  };

  // Reads the bytes of one message; `where` begins the messages of errors, offset is where in the
  // file the bytes stand.
  WireReader(std::string_view bytes, std::string_view where, size_t offset = 0)
      : bytes_(bytes), where_(where), offset_(offset) {}

  // The next field; false at the end. Throws Error(corrupt_data).
  bool next(Field& field);

  // Readers of fields whose shape the message prescribes; they throw Error(corrupt_data).
  uint64_t integer(const Field& field) const;
  bool flag(const Field& field) const { return integer(field) != 0; }
  int32_t int32(const Field& field) const { return static_cast<int32_t>(integer(field)); }
  float real(const Field& field) const;
  std::string_view text(const Field& field) const;  // checked to be UTF-8
  std::string_view bytes(const Field& field) const;
  WireReader message(const Field& field) const;

 private:
  uint64_t varint();
  uint64_t fixed(int size);
  [[noreturn]] void corrupt(std::string_view what) const;
  void expect(const Field& field, Shape shape) const;

  std::string_view bytes_;
  std::string_view where_;
  size_t offset_;
  size_t at_ = 0;
};

}  // namespace cadre::text
