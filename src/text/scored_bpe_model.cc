#include "text/scored_bpe_model.h"

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "text/char_bpe_model.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

using Type = SentencePieceModel::Type;

// Symbols are ids of pieces, or, beyond them: a user-defined piece that does not merge, and a
// character that is no piece.
constexpr int32_t kFrozen = 1 << 28;
constexpr int32_t kCharacter = 1 << 29;

bool merges_see(Type type) {
  return type == Type::normal || type == Type::user_defined || type == Type::unused;
}

bool is_one_character(std::string_view text) {
  return text.size() == static_cast<size_t>(decode_at(text, 0).size);
}

PieceTrie user_defined_pieces(const SentencePieceModel& model, std::string_view where) {
  std::vector<std::pair<std::string_view, int32_t>> pieces;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].type == Type::user_defined) {
      pieces.emplace_back(model.pieces[id].text, static_cast<int32_t>(id));
    }
  }
  return PieceTrie(std::move(pieces), where);
}

// The place of each score among all, the highest first: equal scores have one rank.
std::vector<uint32_t> ranks_of(const SentencePieceModel& model) {
  std::vector<float> scores;
  for (const auto& piece : model.pieces) scores.push_back(piece.score + 0.0f);
  std::ranges::sort(scores, std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  std::vector<uint32_t> ranks;
  for (const auto& piece : model.pieces) {
    const auto place = std::ranges::lower_bound(scores, piece.score + 0.0f, std::greater<>());
    ranks.push_back(static_cast<uint32_t>(place - scores.begin()));
  }
  return ranks;
}

}  // namespace

ScoredBpeModel::ScoredBpeModel(const SentencePieceModel& model, std::string_view where)
    : user_defined_(user_defined_pieces(model, where)) {
  if (model.pieces.size() >= static_cast<size_t>(kFrozen)) {
    fail(ErrorKind::unsupported, "{}: {} pieces, fewer than 2^28 are supported", where,
         model.pieces.size());
  }
  byte_ids_.fill(-1);
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const SentencePieceModel::Piece& piece = model.pieces[i];
    const auto id = static_cast<int32_t>(i);
    if (piece.text.size() > PieceTrie::kMaxBytes) {
      fail(ErrorKind::unsupported, "{}: piece {} has {} bytes, at most {} are supported", where, i,
           piece.text.size(), PieceTrie::kMaxBytes);
    }
    if (piece.type == Type::unknown) unknown_id_ = id;
    if (piece.type == Type::byte) byte_ids_[byte_of_token(piece.text)] = id;
    if (piece.type == Type::unused) {
      unused_.resize(model.pieces.size());
      unused_[i] = true;
    }
    if (!is_one_character(piece.text)) continue;
    (merges_see(piece.type) ? char_ids_ : reserved_ids_).set(decode_at(piece.text, 0).value, id);
  }
  make_merges(model);
}

// Wherever a piece can be cut into two symbols, these two may meet and merge.
void ScoredBpeModel::make_merges(const SentencePieceModel& model) {
  std::unordered_map<std::string_view, int32_t> ids;
  ids.reserve(model.pieces.size());
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    if (merges_see(model.pieces[i].type)) {
      ids.emplace(model.pieces[i].text, static_cast<int32_t>(i));
    }
  }
  const auto symbol_of = [&](std::string_view text) {
    const auto found = ids.find(text);
    if (found != ids.end()) return found->second;
    const CodePoint c = decode_at(text, 0);
    return static_cast<size_t>(c.size) == text.size() ? kCharacter | static_cast<int32_t>(c.value)
                                                      : -1;
  };
  struct Merge {
    int32_t left;
    int32_t right;
    int32_t id;
  };
  std::vector<Merge> merges;
  std::vector<size_t> cuts;  // of the piece at hand, with a symbol before them
  std::vector<int32_t> lefts;
  for (const auto& [text, id] : ids) {
    cuts.clear();
    lefts.clear();
    for (size_t at = decode_at(text, 0).size; at < text.size(); at += decode_at(text, at).size) {
      const int32_t left = symbol_of(text.substr(0, at));
      if (left < 0) continue;
      cuts.push_back(at);
      lefts.push_back(left);
    }
    for (size_t i = 0; i < cuts.size(); ++i) {
      const int32_t right = symbol_of(text.substr(cuts[i]));
      if (right >= 0) merges.push_back({lefts[i], right, id});
    }
  }
  const std::vector<uint32_t> ranks = ranks_of(model);
  merges_ = MergeTable(static_cast<int64_t>(merges.size()));
  for (const Merge& merge : merges) merges_.set(merge.left, merge.right, ranks[merge.id], merge.id);
}

void ScoredBpeModel::encode(std::string_view word, ModelScratch& scratch,
                            std::vector<int32_t>& ids) const {
  CADRE_CHECK(word.size() < 0x7fffffff);
  std::vector<int32_t>& symbols = scratch.merge.ids;
  symbols.clear();
  for (size_t at = 0; at < word.size();) {
    if (!user_defined_.empty()) {
      int32_t id = -1;
      if (const size_t size = user_defined_.longest_prefix(word.substr(at), id); size > 0) {
        symbols.push_back(kFrozen | id);
        at += size;
        continue;
      }
    }
    const CodePoint c = decode_at(word, at);
    const int32_t id = char_ids_[c.value];
    symbols.push_back(id >= 0 ? id : kCharacter | static_cast<int32_t>(c.value));
    at += c.size;
  }
  bool after_unknown = false;
  if (unused_.empty()) {
    merge_symbols(merges_, scratch.merge);
    for (int32_t symbol : symbols) append(symbol, nullptr, after_unknown, ids);
    return;
  }
  // How an unused piece was made is how it was seen last, as in the reference.
  Splits splits;
  merge_with_heap(merges_, scratch.merge,
                  [&](int32_t left, int32_t right, MergeTable::Merge merge) {
                    const int32_t merged = MergeTable::merged_id(merge);
                    if (unused_[merged]) splits[merged] = {left, right};
                  });
  for (int32_t symbol : symbols) append(symbol, &splits, after_unknown, ids);
}

void ScoredBpeModel::append(int32_t symbol, const Splits* splits, bool& after_unknown,
                            std::vector<int32_t>& ids) const {
  if (symbol < kFrozen) {
    if (splits != nullptr && unused_[symbol]) {
      if (const auto split = splits->find(symbol); split != splits->end()) {
        append(split->second.first, splits, after_unknown, ids);
        return append(split->second.second, splits, after_unknown, ids);
      }
    }
    ids.push_back(symbol);
    after_unknown = false;
    return;
  }
  if (symbol < kCharacter) {
    ids.push_back(symbol & ~kFrozen);
    after_unknown = false;
    return;
  }
  const auto value = static_cast<char32_t>(symbol & ~kCharacter);
  const int32_t reserved = reserved_ids_[value];
  if (reserved >= 0 && reserved != unknown_id_) {
    ids.push_back(reserved);
    after_unknown = false;
    return;
  }
  std::string bytes;
  append_utf8(value, bytes);
  // An added token may have taken the id of a byte.
  const auto has_piece = [&](char byte) { return byte_ids_[static_cast<uint8_t>(byte)] >= 0; };
  if (std::ranges::all_of(bytes, has_piece)) {
    for (char byte : bytes) ids.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
  } else if (!after_unknown) {
    ids.push_back(unknown_id_);
  }
  after_unknown = true;
}

}  // namespace cadre::text
