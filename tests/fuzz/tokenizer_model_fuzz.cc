// SentencePiece models: any bytes as tokenizer.model.
//
// The first byte of an input says how many bytes of text follow it; the rest is the file.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "tests/fuzz/fuzz.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer_builder.h"
#include "text/utf8.h"

namespace cadre::fuzz {
namespace {

using namespace cadre::text;

void require(bool holds, std::string_view what) {
  if (!holds) fail(ErrorKind::internal, "{}", what);
}

// Fields of a message; values are short.
std::string number(int field, int shape) { return {static_cast<char>(field << 3 | shape)}; }
std::string bytes(int field, const std::string& value) {
  std::string size;
  size_t left = value.size();
  for (; left >= 0x80; left >>= 7) size += static_cast<char>(0x80 | (left & 0x7f));
  size += static_cast<char>(left);
  return number(field, 2) + size + value;
}
std::string integer(int field, int value) { return number(field, 0) + static_cast<char>(value); }
std::string piece(const std::string& text, int type, int score) {
  // The upper bytes of an f32 between -8 and -0.5.
  const std::string real = {0, 0, static_cast<char>(score), static_cast<char>(0xbf)};
  return bytes(1, bytes(1, text) + number(2, 5) + real + integer(3, type));
}

std::string model(int kind, bool byte_fallback, const std::string& normalizer) {
  std::string file = piece("<unk>", 2, 0) + piece("<s>", 3, 0);
  int score = 0;
  for (const char* text :
       {"\u2581", "a", "b", "\u2581a", "aa", "aaaa", "ab", "\u00e9", "\u2581\u2581"}) {
    file += piece(text, 1, score += 9);
  }
  file += piece("<sep>", 4, 0) + piece("ba", 5, 3);
  if (byte_fallback) {
    for (int byte = 0; byte < 256; ++byte) {
      const char* digits = "0123456789ABCDEF";
      file += piece(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">", 6, 0);
    }
  }
  // Fields beyond 15 have a tag of two bytes: 35 is byte_fallback.
  std::string trainer = integer(3, kind);
  if (byte_fallback) trainer += std::string("\x98\x02\x01");
  return file + bytes(2, trainer) + bytes(3, normalizer);
}

// A table of one rule, B to b: the trie of Darts has a root, the node of 'B' and its value.
std::string charsmap() {
  std::vector<uint32_t> units(256, 0);
  units[0] = 1u << 10;                          // children at 1 ^ byte
  units[1 ^ 'B'] = 'B' | 1u << 8 | 128u << 10;  // a leaf at 128 from here
  units[(1 ^ 'B') ^ 128] = 1u << 31;            // value 0
  std::string table = {0, 4, 0, 0};
  for (uint32_t unit : units) {
    for (int i = 0; i < 4; ++i) table += static_cast<char>(unit >> (8 * i) & 255);
  }
  return table + std::string("b\0", 2);
}

std::string input(const std::string& text, const std::string& file) {
  return static_cast<char>(text.size()) + text + file;
}

}  // namespace

void read_input(std::string_view bytes) {
  if (bytes.empty()) return;
  const size_t size = std::min<size_t>(static_cast<uint8_t>(bytes[0]), bytes.size() - 1);
  const std::string_view text = bytes.substr(1, size);
  const SentencePieceModel parts = read_sentencepiece_model(bytes.substr(1 + size), "model");
  const Tokenizer tokenizer = make_sentencepiece_tokenizer(parts, {}, "model");
  for (const bool special : {false, true}) {
    const std::vector<int32_t> ids =
        tokenizer.encode(text, {.add_special_tokens = special, .parse_special = special});
    for (int32_t id : ids) require(id >= 0 && id < tokenizer.vocab_size(), "an id out of range");
    const std::string decoded = tokenizer.decode(ids, special);
    require(is_valid_utf8(decoded), "decoded text is not UTF-8");
    StreamDecoder decoder(tokenizer, special);
    std::string streamed;
    for (int32_t id : ids) streamed += decoder.push(id);
    require(streamed + decoder.finish() == decoded, "streaming changes the text");
  }
}

std::vector<std::string> seeds() {
  const std::string text = "a aab  B<sep>\u00e9<s> \xff\U0001f600 aaaaaaaa";
  std::vector<std::string> seeds;
  for (const int kind : {1, 2}) {
    seeds.push_back(input(text, model(kind, true, integer(3, 1) + integer(4, 0))));
    seeds.push_back(input(text, model(kind, false, bytes(2, charsmap()) + integer(4, 1))));
    seeds.push_back(input(text, model(kind, false, integer(3, 0) + integer(5, 0))));
  }
  return seeds;
}

}  // namespace cadre::fuzz
