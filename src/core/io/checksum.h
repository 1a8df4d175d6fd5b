// XXH3 (64 bits): notices damage to files at the speed of memory. It is no protection against
// somebody who wants two files to look alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace cadre::io {

// A running checksum: the value depends on the bytes alone, not on how they were cut into pieces.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;

  void update(const void* data, size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The checksum of bytes at hand.
uint64_t checksum(std::span<const std::byte> bytes);
uint64_t checksum(std::string_view text);

// Sixteen hexadecimal digits, the form in which manifests keep a checksum, for JSON's numbers lose
// bits. from_hex returns false if the text is anything else.
std::string to_hex(uint64_t value);
bool from_hex(std::string_view text, uint64_t& value);

}  // namespace cadre::io
