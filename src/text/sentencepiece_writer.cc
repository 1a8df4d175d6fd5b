#include "text/sentencepiece_writer.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cadre::text {
namespace {

// Appends fields of a message; https://protobuf.dev/programming-guides/encoding
class WireWriter {
 public:
  void integer(uint32_t field, int64_t value) {
    varint(field << 3);
    varint(static_cast<uint64_t>(value));
  }
  void flag(uint32_t field, bool value) { integer(field, value ? 1 : 0); }
  void real(uint32_t field, float value) {
    varint(field << 3 | 5);
    char bytes[sizeof(value)];
    std::memcpy(bytes, &value, sizeof(value));
    out_.append(bytes, sizeof(bytes));
  }
  void bytes(uint32_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    out_ += value;
  }

  std::string out_;

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
};

using Piece = SentencePieceModel::Piece;

}  // namespace

std::string sentencepiece_bytes(const SentencePieceModel& model) {
  WireWriter file;
  for (const Piece& piece : model.pieces) {
    WireWriter message;
    message.bytes(1, piece.text);
    message.real(2, piece.score);
    message.integer(3, static_cast<int64_t>(piece.type));
    file.bytes(1, message.out_);
  }
  const auto unknown =
      std::ranges::find(model.pieces, SentencePieceModel::Type::unknown, &Piece::type);
  WireWriter trainer;
  trainer.integer(3, model.kind == SentencePieceModel::Kind::unigram ? 1 : 2);
  trainer.integer(4, static_cast<int64_t>(model.pieces.size()));
  trainer.flag(35, model.byte_fallback);
  trainer.integer(40, unknown - model.pieces.begin());
  trainer.integer(41, model.bos_id);
  trainer.integer(42, model.eos_id);
  trainer.integer(43, -1);  // padding is none of the model's
  trainer.bytes(44, model.unknown_surface);
  file.bytes(2, trainer.out_);
  WireWriter normalizer;
  normalizer.bytes(1, model.charsmap.empty() ? "identity" : "user_defined");
  normalizer.bytes(2, model.charsmap);
  normalizer.flag(3, model.add_dummy_prefix);
  normalizer.flag(4, model.remove_extra_whitespaces);
  normalizer.flag(5, model.escape_whitespaces);
  file.bytes(3, normalizer.out_);
  return file.out_;
}

}  // namespace cadre::text
