// A tokenizer from a SentencePiece model.
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "core/base/error.h"
#include "text/char_bpe_model.h"
#include "text/scored_bpe_model.h"
#include "text/tokenizer_builder.h"
#include "text/tokenizer_data.h"
#include "text/unigram_model.h"

namespace cadre::text {
namespace {

using Type = SentencePieceModel::Type;

std::string with_spaces(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t mark = std::min(text.find(kSpaceMark, at), text.size());
    out += text.substr(at, mark - at);
    if (mark == text.size()) break;
    out += ' ';
    at = mark + kSpaceMark.size();
  }
  return out;
}

void add_model_pieces(const SentencePieceModel& model, Tokenizer::Data& data) {
  data.ids.reserve(model.pieces.size() + model.pieces.size() / 8);
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    Piece made = {.written = piece.text, .present = true};
    switch (piece.type) {
      case Type::byte:
        made.bytes = std::string(1, static_cast<char>(byte_of_token(piece.text)));
        made.byte = true;
        break;
      case Type::control:
        made.bytes = piece.text;
        made.special = made.shown_as_is = true;
        break;
      case Type::unknown:
        made.bytes = model.unknown_surface;
        made.shown_as_is = true;
        break;
      default:
        made.bytes = with_spaces(piece.text);
    }
    data.ids.emplace(piece.text, static_cast<int32_t>(data.pieces.size()));
    data.pieces.push_back(std::move(made));
  }
}

// Gives each added token its id and its place in the vocabulary. Those that redefine a piece take
// it from the model, where a control piece matches no text.
std::vector<AddedToken> add_tokens(const SentencePieceSetup& setup, std::string_view where,
                                   SentencePieceModel& model, Tokenizer::Data& data) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : setup.added_tokens) {
    if (token.content.empty()) continue;
    const auto known = data.ids.find(token.content);
    if (token.id < 0) {
      token.id = known != data.ids.end() ? known->second : static_cast<int32_t>(data.pieces.size());
    }
    const auto id = static_cast<size_t>(token.id);
    // Gaps are allowed, deserts are not, and no token makes room for the next by its gap.
    const size_t present = model.pieces.size() + tokens.size();
    if (id > present + 65536) {
      fail(ErrorKind::unsupported, "{}: added token \"{}\" has id {}, far beyond the {} there are",
           where, token.content, id, present);
    }
    if (known != data.ids.end() && known->second != token.id) {
      data.notes.push_back(fmt::format("{}: \"{}\" is token {} and no longer {}", where,
                                       token.content, token.id, known->second));
    }
    if (id >= data.pieces.size()) data.pieces.resize(id + 1);
    Piece& piece = data.pieces[id];
    if (piece.present && piece.written != token.content) {
      data.notes.push_back(fmt::format("{}: token {} is \"{}\" and no longer \"{}\"", where, id,
                                       token.content, piece.written));
      const auto old = data.ids.find(piece.written);
      if (old != data.ids.end() && old->second == token.id) data.ids.erase(old);
    }
    piece = {.written = token.content,
             .bytes = token.content,
             .present = true,
             .special = token.special,
             .byte = false,
             .shown_as_is = true};
    data.ids[token.content] = token.id;
    if (id < model.pieces.size() && model.pieces[id].type != Type::unknown) {
      model.pieces[id].type = Type::control;
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// What is looked for in the raw text: added tokens, of which the last of equal contents counts, and
// control pieces that none of them is.
std::vector<AddedTokenMatcher::Needle> needles_of(const SentencePieceModel& model,
                                                  const std::vector<AddedToken>& added,
                                                  const Tokenizer::Data& data) {
  std::unordered_map<std::string, AddedToken> tokens;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const SentencePieceModel::Piece& piece = model.pieces[i];
    if (piece.type != Type::control || data.pieces[i].written != piece.text) continue;
    tokens[piece.text] = {.id = id, .content = piece.text, .special = true};
  }
  for (const AddedToken& token : added) tokens[token.content] = token;
  std::vector<AddedTokenMatcher::Needle> needles;
  for (auto& [content, token] : tokens) needles.push_back({content, std::move(token)});
  std::ranges::sort(needles, {}, [](const auto& needle) { return needle.token.id; });
  return needles;
}

SentencePieceStep normalizer_step(const SentencePieceModel& model, const SentencePieceSetup& setup,
                                  std::string_view where) {
  SentencePieceStep step = {.map = nullptr,
                            .user_defined = nullptr,
                            .remove_extra_whitespaces = model.remove_extra_whitespaces,
                            .add_dummy_prefix = model.add_dummy_prefix,
                            .prefix_every_stretch = setup.prefix_every_stretch,
                            .escape_whitespaces = model.escape_whitespaces};
  if (!model.charsmap.empty()) {
    step.map = std::make_shared<const CharsMap>(model.charsmap, where);
  }
  std::vector<std::pair<std::string_view, int32_t>> user_defined;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    if (piece.type == Type::user_defined) user_defined.emplace_back(piece.text, 0);
  }
  if (!user_defined.empty()) {
    step.user_defined = std::make_shared<const PieceTrie>(std::move(user_defined), where);
  }
  return step;
}

// Whether U+2581 stands in pieces only at the beginning and behind itself, and is one.
bool marks_begin_pieces(const SentencePieceModel& model) {
  bool is_piece = false;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    const std::string_view text = piece.text;
    is_piece |= text == kSpaceMark && piece.type == Type::normal;
    for (size_t at = text.find(kSpaceMark, 1); at != std::string_view::npos;
         at = text.find(kSpaceMark, at + 1)) {
      if (!text.substr(0, at).ends_with(kSpaceMark)) return false;
    }
  }
  return is_piece;
}

std::string describe_normalizer(const SentencePieceModel& model) {
  std::string text = model.charsmap.empty() ? "identity" : "charsmap";
  if (model.remove_extra_whitespaces) text += ", extra spaces removed";
  if (model.add_dummy_prefix) text += ", space before the text";
  return text;
}

}  // namespace

Tokenizer make_sentencepiece_tokenizer(const SentencePieceModel& original,
                                       const SentencePieceSetup& setup, std::string_view where,
                                       std::vector<TokenizerFile> files) {
  check_sentencepiece_model(original, where);
  SentencePieceModel model = original;
  const auto data = std::make_shared<Tokenizer::Data>();
  data->files = std::move(files);
  data->decoder.bytes = DecoderRules::Bytes::fallback_each;
  if (model.remove_extra_whitespaces) {
    data->decoder.leading = DecoderRules::Leading::all_marks;
  } else if (model.add_dummy_prefix) {
    data->decoder.leading = DecoderRules::Leading::one_mark;
  }
  add_model_pieces(model, *data);
  const std::vector<AddedToken> added = add_tokens(setup, where, model, *data);
  data->raw_tokens = AddedTokenMatcher(needles_of(model, added, *data), where);
  data->normalizer = Normalizer({normalizer_step(model, setup, where)});
  data->summary.normalizer = describe_normalizer(model);
  std::vector<PreTokenizerStep> steps;
  const bool is_bpe = model.kind == SentencePieceModel::Kind::bpe;
  if (is_bpe) {
    if (marks_begin_pieces(model)) steps.emplace_back(MarkCutStep{});
    data->model = std::make_unique<const ScoredBpeModel>(model, where);
  } else {
    data->model = std::make_unique<const UnigramModel>(unigram_spec(model), where);
  }
  data->summary.model = fmt::format("SentencePiece {}{}", is_bpe ? "BPE" : "unigram",
                                    model.byte_fallback ? " with byte fallback" : "");
  data->pre_tokenizer = PreTokenizer(std::move(steps), std::make_shared<const CharClasses>());
  const auto role = [&](int32_t chosen, int64_t by_model, std::vector<int32_t>& ids) {
    if (chosen < 0 && by_model >= 0 && by_model < static_cast<int64_t>(model.pieces.size()) &&
        model.pieces[by_model].type == Type::control) {
      chosen = static_cast<int32_t>(by_model);
    }
    if (chosen >= 0 && static_cast<size_t>(chosen) < data->pieces.size()) ids.push_back(chosen);
  };
  if (setup.add_bos) role(setup.bos_id, model.bos_id, data->before);
  if (setup.add_eos) role(setup.eos_id, model.eos_id, data->after);
  return Tokenizer::Data::seal(data);
}

}  // namespace cadre::text
