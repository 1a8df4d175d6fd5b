#include "core/io/checksum.h"

#include <doctest/doctest.h>

namespace cadre::io {

TEST_CASE("checksum: does not depend on how the bytes were cut into pieces") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7);
  for (const size_t piece : {1u, 3u, 64u, 1000u, 5000u}) {
    Checksum running;
    for (size_t i = 0; i < text.size(); i += piece) running.update(text.substr(i, piece));
    CAPTURE(piece);
    CHECK(running.value() == checksum(text));
  }
}

TEST_CASE("checksum: is XXH3 with 64 bits and no seed") {
  // The published value for no input.
  CHECK(to_hex(checksum("")) == "2d06800538d394c2");
}

TEST_CASE("checksum: every flipped bit changes it") {
  std::string text = "a small file";
  const uint64_t before = checksum(text);
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    CHECK(checksum(text) != before);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST_CASE("checksum: hexadecimal text reads back, and nothing else is read") {
  for (const uint64_t value : {uint64_t{0}, uint64_t{255}, ~uint64_t{0}}) {
    uint64_t back = 1;
    CHECK(from_hex(to_hex(value), back));
    CHECK(back == value);
  }
  uint64_t ignored = 0;
  for (const char* text : {"", "12", "000000000000000g", "00000000000000000", "0x00000000000000"}) {
    CAPTURE(text);
    CHECK_FALSE(from_hex(text, ignored));
  }
}

}  // namespace cadre::io
