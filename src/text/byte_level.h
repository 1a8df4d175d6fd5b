// The alphabet of byte-level BPE files: one printable character for each of the 256 bytes.
//
// Vocabulary files cannot hold arbitrary bytes, so GPT-2 writes each byte as a character: bytes
// 0x21-0x7e, 0xa1-0xac and 0xae-0xff as the character of the same number, the others, in
// ascending order, as U+0100, U+0101, ... (a space is U+0120). Radford et al., "Language Models
// are Unsupervised Multitask Learners", 2019. Cadre works on bytes and meets the alphabet only in
// files.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace cadre::text {

// The character of each byte.
std::array<char32_t, 256> byte_level_alphabet();

// The written form of bytes.
std::string bytes_to_written(std::string_view bytes);

// The bytes of a written token (valid UTF-8); nothing if a character is not of the alphabet, as
// in added tokens, which are written as they are.
std::optional<std::string> written_to_bytes(std::string_view written);

}  // namespace cadre::text
