#include "text/unigram_model.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/base/error.h"
#include "text/char_bpe_model.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

constexpr double kUnknownPenalty = 10.0;
constexpr double kLowestSum = -100000.0;
// In place of a score, which is finite.
constexpr double kUserDefined = std::numeric_limits<double>::infinity();

PieceTrie trie_of(const UnigramSpec& spec, std::string_view where) {
  std::vector<std::pair<std::string_view, int32_t>> pieces;
  for (size_t id = 0; id < spec.pieces.size(); ++id) {
    if (spec.pieces[id].matches) {
      pieces.emplace_back(spec.pieces[id].text, static_cast<int32_t>(id));
    }
  }
  return PieceTrie(std::move(pieces), where);
}

}  // namespace

UnigramSpec unigram_spec(const SentencePieceModel& model) {
  using Type = SentencePieceModel::Type;
  UnigramSpec spec;
  spec.single_precision = true;
  spec.byte_ids.fill(-1);
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const SentencePieceModel::Piece& piece = model.pieces[i];
    const auto id = static_cast<int32_t>(i);
    if (piece.type == Type::unknown) spec.unknown_id = id;
    if (piece.type == Type::byte) spec.byte_ids[byte_of_token(piece.text)] = id;
    spec.pieces.push_back(
        {.text = piece.text,
         .score = piece.score,
         .matches = piece.type == Type::normal || piece.type == Type::user_defined,
         .user_defined = piece.type == Type::user_defined,
         .counts = piece.type == Type::normal});
  }
  return spec;
}

UnigramModel::UnigramModel(UnigramSpec spec, std::string_view where)
    : spec_(std::move(spec)), trie_(trie_of(spec_, where)) {
  // The reference starts its search for the highest score from the smallest positive number.
  constexpr double kNone = std::numeric_limits<float>::max();
  double lowest = kNone;
  highest_score_ = std::numeric_limits<float>::min();
  for (const UnigramSpec::Piece& piece : spec_.pieces) {
    longest_ = std::max(longest_, piece.text.size());
    scores_.push_back(piece.user_defined ? kUserDefined : piece.score);
    if (!piece.counts) continue;
    lowest = std::min(lowest, piece.score);
    highest_score_ = std::max(highest_score_, piece.score);
  }
  unknown_score_ = lowest - kUnknownPenalty;
}

template <typename Sum>
void UnigramModel::find_path(std::string_view word,
                             std::vector<ModelScratch::PathNode>& path) const {
  path.assign(word.size() + 1, {0.0, -1, -1});
  const auto offer = [&](size_t end, size_t begin, Sum score, int32_t id) {
    ModelScratch::PathNode& node = path[end];
    if (node.begin < 0 || score > node.score) node = {score, static_cast<int32_t>(begin), id};
  };
  const auto start_from_zero = [&](size_t at) {
    const auto offset = static_cast<Sum>(path[at].score);
    for (size_t end = at; end <= std::min(word.size(), at + longest_); ++end) {
      if (path[end].begin >= 0) path[end].score = static_cast<Sum>(path[end].score) - offset;
    }
  };
  for (size_t at = 0; at < word.size();) {
    if (std::is_same_v<Sum, float> && path[at].score < kLowestSum) start_from_zero(at);
    const auto so_far = static_cast<Sum>(path[at].score);
    const auto character = static_cast<size_t>(decode_at(word, at).size);
    bool has_single = false;
    trie_.for_each_prefix(word.substr(at), [&](size_t length, int32_t id) {
      double score = scores_[id];
      if (score == kUserDefined) score = static_cast<double>(length) * highest_score_ - 0.1;
      offer(at + length, at, static_cast<Sum>(score) + so_far, id);
      has_single |= length == character;
    });
    if (!has_single) {
      offer(at + character, at, static_cast<Sum>(unknown_score_) + so_far, spec_.unknown_id);
    }
    at += character;
  }
}

void UnigramModel::append_unknown(std::string_view text, std::vector<int32_t>& ids) const {
  // The `tokenizers` library looks a run of unknown characters up once more; "<unk>" is found
  // there.
  // SentencePiece's vocabulary for words lacks it, so that nothing is found.
  int32_t id = -1;
  if (trie_.longest_prefix(text, id) == text.size()) {
    ids.push_back(id);
    return;
  }
  const auto has_token = [&](char byte) { return spec_.byte_ids[static_cast<uint8_t>(byte)] >= 0; };
  if (!std::ranges::all_of(text, has_token)) {
    ids.push_back(spec_.unknown_id);
    return;
  }
  for (char byte : text) ids.push_back(spec_.byte_ids[static_cast<uint8_t>(byte)]);
}

void UnigramModel::encode(std::string_view word, ModelScratch& scratch,
                          std::vector<int32_t>& ids) const {
  CADRE_CHECK(word.size() < 0x7fffffff);
  std::vector<ModelScratch::PathNode>& path = scratch.path;
  if (spec_.single_precision) {
    find_path<float>(word, path);
  } else {
    find_path<double>(word, path);
  }
  // The ends of the tokens, from the last to the first.
  std::vector<int32_t>& ends = scratch.tokens;
  ends.clear();
  for (auto end = static_cast<int32_t>(word.size()); end > 0; end = path[end].begin) {
    ends.push_back(end);
  }
  int32_t begin = 0;
  for (size_t i = ends.size(); i-- > 0;) {
    const int32_t id = path[ends[i]].id;
    if (id != spec_.unknown_id) {
      ids.push_back(id);
    } else {
      while (spec_.fuse_unknown && i > 0 && path[ends[i - 1]].id == spec_.unknown_id) --i;
      append_unknown(word.substr(begin, ends[i] - begin), ids);
    }
    begin = ends[i];
  }
}

}  // namespace cadre::text
