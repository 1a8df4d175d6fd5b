// Reading tokenizer.model, and its encoder beside a definition that anyone can read.
#include "text/sentencepiece_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "core/base/file.h"
#include "expect_error.h"
#include "text/chars_map.h"
#include "text/scored_bpe_model.h"
#include "text/text_cases.h"
#include "text/tokenizer_builder.h"

namespace cadre::text {
namespace {

using Model = SentencePieceModel;
using Type = Model::Type;

const std::string kFile = "tests/golden/tokenizer/small/bpe_fallback.model";

// A field of a message.
std::string field(int number, int shape, const std::string& value) {
  return static_cast<char>(number << 3 | shape) + value;
}
std::string bytes(int number, const std::string& value) {
  return field(number, 2, static_cast<char>(value.size()) + value);
}
std::string integer(int number, int value) {
  return field(number, 0, std::string(1, static_cast<char>(value)));
}

std::string piece(const std::string& text, int type) {
  return bytes(1, bytes(1, text) + field(2, 5, std::string(4, '\0')) + integer(3, type));
}

// Merges by looking at all pairs and all pieces again and again.
std::vector<std::string> merged(const Model& model, std::vector<std::string> symbols) {
  while (true) {
    std::optional<size_t> best;
    float best_score = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found =
          std::ranges::find(model.pieces, symbols[i] + symbols[i + 1], &Model::Piece::text);
      if (found == model.pieces.end() || found->type != Type::normal) continue;
      if (!best || found->score > best_score) {
        best = i;
        best_score = found->score;
      }
    }
    if (!best) return symbols;
    symbols[*best] += symbols[*best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(*best) + 1);
  }
}

}  // namespace

TEST_CASE(
    "SentencePiece BPE: equal to the definition, also with equal scores and lone characters") {
  RandomStream random(3);
  for (int round = 0; round < 40; ++round) {
    Model model;
    model.kind = Model::Kind::bpe;
    model.pieces = {{"<unk>", 0, Type::unknown}};
    const auto letters = [&](uint64_t size) {
      std::string text;
      while (text.size() < size) text += static_cast<char>('a' + random.below(3));
      return text;
    };
    for (int i = 0; i < 12; ++i) {
      const std::string text = letters(1 + random.below(4));
      if (std::ranges::find(model.pieces, text, &Model::Piece::text) != model.pieces.end())
        continue;
      model.pieces.push_back({text, static_cast<float>(random.below(3)), Type::normal});
    }
    const ScoredBpeModel bpe(model, "test");
    ModelScratch scratch;
    for (uint64_t size : {1, 2, 5, 20, 100}) {
      const std::string text = letters(size);
      std::vector<std::string> symbols;
      for (char c : text) symbols.emplace_back(1, c);
      std::vector<int32_t> expected;
      for (const std::string& symbol : merged(model, symbols)) {
        const auto found = std::ranges::find(model.pieces, symbol, &Model::Piece::text);
        const auto id = static_cast<int32_t>(found - model.pieces.begin());
        if (found != model.pieces.end()) {
          expected.push_back(id);
        } else if (expected.empty() || expected.back() != 0) {
          expected.push_back(0);
        }
      }
      std::vector<int32_t> ids;
      bpe.encode(text, scratch, ids);
      CAPTURE(text);
      CHECK(ids == expected);
    }
  }
}

TEST_CASE("tokenizer.model: fields are read, unknown ones passed over") {
  const std::string file = piece("<unk>", 2) + piece("a", 1) + bytes(9, "later") +
                           bytes(2, integer(3, 2) + integer(9, 1)) +
                           bytes(3, integer(3, 0) + integer(4, 0));
  const Model model = read_sentencepiece_model(file, "file");
  CHECK(model.kind == Model::Kind::bpe);
  CHECK(model.pieces.size() == 2);
  CHECK(model.pieces[1].text == "a");
  CHECK_FALSE(model.add_dummy_prefix);
  CHECK_FALSE(model.remove_extra_whitespaces);
  CHECK(model.escape_whitespaces);
  const Model real = read_sentencepiece_model(read_text_file(kFile), kFile);
  CHECK(real.byte_fallback);
  CHECK(real.pieces[0].type == Type::unknown);
}

TEST_CASE("tokenizer.model: what contradicts itself is corrupt, what is missing here unsupported") {
  const std::string unknown = piece("<unk>", 2);
  const auto message = [](ErrorKind kind, const std::string& file) {
    const std::string text =
        error_of(kind, [&] { static_cast<void>(read_sentencepiece_model(file, "x.model")); });
    CHECK(text.starts_with("x.model"));
    return text;
  };
  const ErrorKind corrupt = ErrorKind::corrupt_data;
  CHECK(contains(message(corrupt, ""), "0 unknown pieces"));
  CHECK(contains(message(corrupt, unknown + piece("a", 2)), "2 unknown pieces"));
  CHECK(contains(message(corrupt, unknown + piece("a", 1) + piece("a", 1)), "twice"));
  CHECK(contains(message(corrupt, unknown + piece("", 1)), "empty"));
  CHECK(contains(message(corrupt, unknown + piece("\xff", 1)), "UTF-8"));
  CHECK(contains(message(corrupt, unknown + piece("a", 9)), "type 9"));
  CHECK(contains(message(corrupt, unknown + piece("<0x00>", 6)), "no byte fallback"));
  CHECK(contains(message(corrupt, unknown.substr(0, unknown.size() - 1)), "byte"));
  CHECK(contains(message(corrupt, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "64 bits"));
  CHECK(contains(message(corrupt, "\x0b"), "shape 3"));
  CHECK(contains(message(corrupt, bytes(1, field(2, 5, std::string("\0\0\xc0\x7f", 4)))), "empty"));
  CHECK(contains(message(ErrorKind::unsupported, unknown + bytes(2, integer(3, 3))), "model_type"));
  CHECK(
      contains(message(ErrorKind::unsupported, unknown + bytes(5, bytes(2, "x"))), "denormalizer"));
}

TEST_CASE("tokenizer.model: every byte has a piece of its own, or text has the unknown one") {
  const Model good = read_sentencepiece_model(read_text_file(kFile), kFile);
  const auto byte_41 = std::ranges::find(good.pieces, "<0x41>", &Model::Piece::text);
  REQUIRE(byte_41 != good.pieces.end());
  // 256 byte pieces, none of them for "A".
  Model twice = good;
  twice.pieces[static_cast<size_t>(byte_41 - good.pieces.begin())].text = "<0x0a>";
  CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { check_sentencepiece_model(twice, "x"); }),
                 "\"<0x0a>\": expected <0x00> to <0xFF>"));
  // U+1F600 is F0 9F 98 80.
  const auto byte_98 = std::ranges::find(good.pieces, "<0x98>", &Model::Piece::text);
  const auto id = static_cast<int32_t>(byte_98 - good.pieces.begin());
  for (const auto kind : {Model::Kind::bpe, Model::Kind::unigram}) {
    Model model = good;
    model.kind = kind;
    SentencePieceSetup setup;
    setup.added_tokens.push_back({.id = id, .content = "<x>"});
    const Tokenizer taken = make_sentencepiece_tokenizer(model, setup, "x");
    const std::vector<int32_t> ids = taken.encode("\U0001f600", {.add_special_tokens = false});
    CHECK(ids.back() == 0);
    CHECK(std::ranges::min(ids) == 0);
  }
}

TEST_CASE("tokenizer.model: truncated and changed files end in an error or in a tokenizer") {
  const std::string good = read_text_file(kFile);
  RandomStream random(17);
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    if (i % 2 == 0) {
      bad.resize(random.below(bad.size()));
    } else {
      for (int j = 0; j < 3; ++j) {
        bad[random.below(bad.size())] = static_cast<char>(random.below(256));
      }
    }
    try {
      const Model model = read_sentencepiece_model(bad, "bad");
      const Tokenizer tokenizer = make_sentencepiece_tokenizer(model, {}, "bad");
      CHECK(is_valid_utf8(tokenizer.decode(tokenizer.encode("the experts \xff"))));
    } catch (const Error& error) {
      const bool expected =
          error.kind() == ErrorKind::corrupt_data || error.kind() == ErrorKind::unsupported;
      CHECK(expected);
    }
  }
}

TEST_CASE("CharsMap: broken tables are refused or lead nowhere") {
  const auto refuse = [](const std::string& table) {
    return error_of(ErrorKind::corrupt_data, [&] { CharsMap(table, "x"); });
  };
  const auto sized = [](uint32_t size, const std::string& rest) {
    std::string table;
    for (int i = 0; i < 4; ++i) table += static_cast<char>(size >> (8 * i) & 255);
    return table + rest;
  };
  CHECK(contains(refuse(""), "charsmap"));
  CHECK(contains(refuse(sized(0, "ab")), "charsmap"));
  CHECK(contains(refuse(sized(8, "abcd")), "charsmap"));
  CHECK(contains(refuse(sized(4, "abcdxy")), "zero byte"));
  CHECK(contains(refuse(sized(4, std::string("abcd\xff\0", 6))), "UTF-8"));
  RandomStream random(18);
  for (int i = 0; i < 2000; ++i) {
    std::string table;
    for (int j = 0; j < 64; ++j) table += static_cast<char>(random.below(256));
    const CharsMap map(sized(64, table + std::string("a\0\u00e9\0", 5)), "x");
    const std::string text = random_text(random, 20);
    std::string out;
    map.rewrite_graphemes(text, out);
    CHECK(is_valid_utf8(out));
    CHECK(map.longest(text).length <= text.size());
  }
}

}  // namespace cadre::text
