#include "text/sentencepiece_model.h"

#include <cmath>
#include <string>
#include <unordered_set>

#include "core/base/error.h"
#include "text/char_bpe_model.h"
#include "text/wire_reader.h"

namespace cadre::text {
namespace {

using Type = SentencePieceModel::Type;

SentencePieceModel::Piece read_piece(WireReader reader, std::string_view where, size_t id) {
  SentencePieceModel::Piece piece;
  for (WireReader::Field field{}; reader.next(field);) {
    if (field.number == 1) piece.text = reader.text(field);
    if (field.number == 2) piece.score = reader.real(field);
    if (field.number == 3) {
      const uint64_t type = reader.integer(field);
      if (type < 1 || type > 6) {
        fail(ErrorKind::corrupt_data, "{}: piece {} has type {}, expected 1 to 6", where, id, type);
      }
      piece.type = static_cast<Type>(type);
    }
  }
  return piece;
}

void read_trainer(WireReader reader, std::string_view where, SentencePieceModel& model) {
  for (WireReader::Field field{}; reader.next(field);) {
    switch (field.number) {
      case 3:
        switch (reader.integer(field)) {
          case 1:
            model.kind = SentencePieceModel::Kind::unigram;
            break;
          case 2:
            model.kind = SentencePieceModel::Kind::bpe;
            break;
          default:
            fail(ErrorKind::unsupported, "{}: model_type {}, expected 1 (unigram) or 2 (BPE)",
                 where, reader.integer(field));
        }
        break;
      case 24:
        if (reader.flag(field)) {
          fail(ErrorKind::unsupported, "{}: treat_whitespace_as_suffix is set", where);
        }
        break;
      case 35:
        model.byte_fallback = reader.flag(field);
        break;
      case 41:
        model.bos_id = reader.int32(field);
        break;
      case 42:
        model.eos_id = reader.int32(field);
        break;
      case 44:
        model.unknown_surface = reader.text(field);
        break;
      default:
        break;
    }
  }
}

void read_normalizer(WireReader reader, SentencePieceModel& model) {
  for (WireReader::Field field{}; reader.next(field);) {
    if (field.number == 2) model.charsmap = reader.bytes(field);
    if (field.number == 3) model.add_dummy_prefix = reader.flag(field);
    if (field.number == 4) model.remove_extra_whitespaces = reader.flag(field);
    if (field.number == 5) model.escape_whitespaces = reader.flag(field);
  }
}

void refuse_denormalizer(WireReader reader, std::string_view where) {
  for (WireReader::Field field{}; reader.next(field);) {
    if (field.number == 2 && !reader.bytes(field).empty()) {
      fail(ErrorKind::unsupported, "{}: has a denormalizer", where);
    }
  }
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, std::string_view where) {
  SentencePieceModel model;
  WireReader reader(bytes, where);
  for (WireReader::Field field{}; reader.next(field);) {
    switch (field.number) {
      case 1:
        model.pieces.push_back(read_piece(reader.message(field), where, model.pieces.size()));
        break;
      case 2:
        read_trainer(reader.message(field), where, model);
        break;
      case 3:
        read_normalizer(reader.message(field), model);
        break;
      case 5:
        refuse_denormalizer(reader.message(field), where);
        break;
      default:
        break;
    }
  }
  check_sentencepiece_model(model, where);
  return model;
}

void check_sentencepiece_model(const SentencePieceModel& model, std::string_view where) {
  std::unordered_set<std::string_view> texts;
  texts.reserve(model.pieces.size());
  int64_t unknown = 0;
  int64_t bytes = 0;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    if (piece.text.empty()) fail(ErrorKind::corrupt_data, "{}: piece {} is empty", where, id);
    if (!texts.insert(piece.text).second) {
      fail(ErrorKind::corrupt_data, "{}: piece {}, \"{}\", is there twice", where, id, piece.text);
    }
    if (!std::isfinite(piece.score)) {
      fail(ErrorKind::corrupt_data, "{}: piece {}, \"{}\", has a score that is not finite", where,
           id, piece.text);
    }
    unknown += piece.type == Type::unknown ? 1 : 0;
    if (piece.type != Type::byte) continue;
    ++bytes;
    // In capitals, as no two pieces are equal: then 256 of them are all bytes.
    const int byte = byte_of_token(piece.text);
    if (!model.byte_fallback || byte < 0 || piece.text != byte_token(byte)) {
      fail(ErrorKind::corrupt_data, "{}: byte piece {}, \"{}\": {}", where, id, piece.text,
           model.byte_fallback ? "expected <0x00> to <0xFF>" : "there is no byte fallback");
    }
  }
  if (unknown != 1) {
    fail(ErrorKind::corrupt_data, "{}: {} unknown pieces among {}, expected one", where, unknown,
         model.pieces.size());
  }
  if (model.byte_fallback && bytes != 256) {
    fail(ErrorKind::corrupt_data, "{}: byte fallback with {} byte pieces, expected 256", where,
         bytes);
  }
}

}  // namespace cadre::text
