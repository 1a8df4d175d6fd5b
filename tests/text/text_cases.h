// What the tests of text share: random strings, a small tokenizer, the folder of real files.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "core/base/random.h"
#include "text/utf8.h"

namespace cadre::text {

// Valid text that is unkind to tokenizers: spaces of all kinds, marks, apostrophes, all planes.
inline std::string random_text(RandomStream& random, int64_t characters) {
  static constexpr char32_t kSpice[] = {' ',   ' ',    ' ',    '\t',   '\n',   '\r',    '\'',
                                        's',   'r',    'e',    'l',    'D',    '1',     '.',
                                        0x85,  0xa0,   0x180e, 0x200b, 0x2028, 0x3000,  0x301,
                                        0x323, 0x4e00, 0x661,  0xbd,   0xe9,   0x1f600, 0x10ffff};
  std::string text;
  const uint64_t kind = random.below(4);
  for (int64_t i = 0; i < characters; ++i) {
    char32_t c = 0;
    if (kind == 0) {
      c = kSpice[random.below(std::size(kSpice))];
    } else if (kind == 1) {
      c = static_cast<char32_t>(random.below(0x80));
    } else if (kind == 2) {
      c = random.below(3) == 0 ? ' ' : static_cast<char32_t>(random.below(0x3200));
    } else {
      c = static_cast<char32_t>(random.below(0x10f800));
      if (c >= 0xd800) c += 0x800;
    }
    append_utf8(c, text);
  }
  return text;
}

inline std::string random_bytes(RandomStream& random, int64_t count) {
  std::string bytes;
  for (int64_t i = 0; i < count; ++i) {
    // Half of them continue or begin sequences, so that some nearly succeed.
    const uint64_t byte = random.below(2) == 0 ? 0x80 + random.below(0x80) : random.below(0x100);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

// A file of the folder of real data, if that folder is there.
inline std::optional<std::filesystem::path> real_file(const std::string& name) {
  const char* folder = std::getenv("CADRE_TEST_DATA");
  const std::filesystem::path file =
      std::filesystem::path(folder == nullptr ? "../shared/data" : folder) / name;
  if (!std::filesystem::exists(file)) return std::nullopt;
  return file;
}

inline constexpr const char* kRealTokenizer = "tokenizers/gpt-neox-olmo-dolma-v1_5/tokenizer.json";

}  // namespace cadre::text
