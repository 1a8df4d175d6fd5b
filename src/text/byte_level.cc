#include "text/byte_level.h"

#include "text/utf8.h"

namespace cadre::text {
namespace {

constexpr bool is_written_as_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr auto kAlphabet = [] {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    alphabet[byte] = is_written_as_itself(byte) ? byte : next++;
  return alphabet;
}();

// The byte of each character below U+0144, or -1.
constexpr auto kBytes = [] {
  std::array<int16_t, 0x144> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  for (int byte = 0; byte < 256; ++byte) bytes[kAlphabet[byte]] = static_cast<int16_t>(byte);
  return bytes;
}();

}  // namespace

std::array<char32_t, 256> byte_level_alphabet() { return kAlphabet; }

std::string bytes_to_written(std::string_view bytes) {
  std::string written;
  written.reserve(bytes.size() + bytes.size() / 2);
  for (char byte : bytes) append_utf8(kAlphabet[static_cast<uint8_t>(byte)], written);
  return written;
}

std::optional<std::string> written_to_bytes(std::string_view written) {
  std::string bytes;
  bytes.reserve(written.size());
  for (size_t at = 0; at < written.size();) {
    const CodePoint c = decode_at(written, at);
    if (c.value >= kBytes.size() || kBytes[c.value] < 0) return std::nullopt;
    bytes += static_cast<char>(kBytes[c.value]);
    at += c.size;
  }
  return bytes;
}

}  // namespace cadre::text
