// A tokenizer of bytes and small datasets made with it.
#pragma once

#include <fmt/core.h>

#include <string>
#include <utility>
#include <vector>

#include "data/build.h"
#include "tests/scratch_folder.h"

namespace cadre::data {

inline constexpr int32_t kEos = 256;

// Each byte is a token.
inline TokenEncoder byte_encoder() {
  TokenEncoder encoder;
  encoder.encode = [](std::string_view text, int, std::vector<int32_t>& ids) {
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  };
  encoder.token_bytes = [](int32_t id) { return id == kEos ? 0 : 1; };
  encoder.vocab_size = 257;
  encoder.eos_id = kEos;
  encoder.tokenizer_json = "{\"bytes\": true}";
  return encoder;
}

// Texts of one source as files of a folder, in this order; the folder.
inline std::string write_texts(const ScratchFolder& folder, const std::string& name,
                               const std::vector<std::string>& texts) {
  for (size_t i = 0; i < texts.size(); ++i) {
    folder.write(fmt::format("{}/{:04}.txt", name, i), texts[i]);
  }
  return (folder / name).string();
}

// Different texts of differing lengths.
inline std::vector<std::string> numbered_texts(const std::string& word, int count) {
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    std::string text = fmt::format("{} {}", word, i);
    for (int j = 0; j < i * 7 % 23; ++j) text += fmt::format(" {}{}", word, j * i);
    texts.push_back(text);
  }
  return texts;
}

}  // namespace cadre::data
