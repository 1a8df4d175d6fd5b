#include "text/wire_reader.h"

#include <bit>

#include "core/base/error.h"
#include "text/utf8.h"

namespace cadre::text {

void WireReader::corrupt(std::string_view what) const {
  fail(ErrorKind::corrupt_data, "{}: byte {}: {}", where_, offset_ + at_, what);
}

uint64_t WireReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (at_ >= bytes_.size()) corrupt("ends within a number");
    const auto byte = static_cast<uint8_t>(bytes_[at_++]);
    if (shift == 63 && byte > 1) corrupt("a number of more than 64 bits");
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  corrupt("a number of more than ten bytes");
}

uint64_t WireReader::fixed(int size) {
  if (bytes_.size() - at_ < static_cast<size_t>(size)) corrupt("ends within a number");
  uint64_t value = 0;
  for (int i = 0; i < size; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes_[at_++])) << (8 * i);
  }
  return value;
}

bool WireReader::next(Field& field) {
  if (at_ == bytes_.size()) return false;
  const uint64_t tag = varint();
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) corrupt("a field without a valid number");
  field = {.number = static_cast<uint32_t>(tag >> 3),
           .shape = static_cast<Shape>(tag & 7),
           .integer = 0,
           .bytes = {}};
  switch (field.shape) {
    case Shape::varint:
      field.integer = varint();
      return true;
    case Shape::fixed64:
      field.integer = fixed(8);
      return true;
    case Shape::fixed32:
      field.integer = fixed(4);
      return true;
    case Shape::bytes: {
      const uint64_t size = varint();
      if (size > bytes_.size() - at_) {
        corrupt(fmt::format("a field of {} bytes, {} are left", size, bytes_.size() - at_));
      }
      field.bytes = bytes_.substr(at_, size);
      at_ += size;
      return true;
    }
  }
  corrupt(fmt::format("a field of shape {}, expected 0, 1, 2 or 5", tag & 7));
}

void WireReader::expect(const Field& field, Shape shape) const {
  if (field.shape == shape) return;
  corrupt(fmt::format("field {} has shape {}, expected {}", field.number,
                      static_cast<int>(field.shape), static_cast<int>(shape)));
}

uint64_t WireReader::integer(const Field& field) const {
  expect(field, Shape::varint);
  return field.integer;
}

float WireReader::real(const Field& field) const {
  expect(field, Shape::fixed32);
  return std::bit_cast<float>(static_cast<uint32_t>(field.integer));
}

std::string_view WireReader::bytes(const Field& field) const {
  expect(field, Shape::bytes);
  return field.bytes;
}

std::string_view WireReader::text(const Field& field) const {
  expect(field, Shape::bytes);
  if (!is_valid_utf8(field.bytes)) {
    corrupt(fmt::format("field {} is text, but not UTF-8", field.number));
  }
  return field.bytes;
}

WireReader WireReader::message(const Field& field) const {
  expect(field, Shape::bytes);
  return WireReader(field.bytes, where_,
                    offset_ + static_cast<size_t>(field.bytes.data() - bytes_.data()));
}

}  // namespace cadre::text
