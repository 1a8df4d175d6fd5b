#include "data/source_writer.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/io/checksum.h"

namespace cadre::data {
namespace {

// A long held-out tail is cut into documents of about this size, so that an evaluation that takes
// whole documents can stop early.
constexpr size_t kTailPiece = 1 << 20;

// Another function of the text than the one that finds duplicates.
uint64_t split_hash(std::string_view text) { return mix_bits(io::checksum(text) ^ 0x5e1dull); }

bool below_share(uint64_t hash, double share) {
  return static_cast<double>(hash >> 11) * 0x1p-53 < share;
}

// The first position at or after `from` that begins a line; else one that begins a character.
size_t cut_position(std::string_view text, size_t from) {
  const size_t line = text.find('\n', from);
  if (line != std::string_view::npos && line + 1 < text.size()) return line + 1;
  while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xc0u) == 0x80u) ++from;
  return from;
}

}  // namespace

void SourceWriter::put(Split& split, const TokenisedDocument& document) {
  const auto tokens = static_cast<int64_t>(document.tokens.size());
  const auto held = static_cast<int64_t>(split.content.tokens.size());
  if (held > 0 && tokens > options_.max_shard_tokens - held) close_shard(split);
  split.content.add(document.tokens, static_cast<int64_t>(document.text.size()),
                    document.first_token_bytes);
}

void SourceWriter::close_shard(Split& split) {
  if (split.content.documents.empty()) return;
  const std::string file =
      fmt::format("{}.{}.{:05}.tokens", name_, split.name, split.entry.shards.size());
  const TokenShardInfo info = write_token_shard(folder_ / file, split.content, options_.vocab_size);
  split.entry.shards.push_back({file, info.tokens, info.documents, info.text_bytes, info.checksum});
  split.content.tokens.clear();
  split.content.documents.clear();
}

void SourceWriter::add(TokenisedDocument document) {
  const uint64_t hash = split_hash(document.text);
  if (below_share(hash, options_.held_out)) {
    if (candidate_) put(train_, *candidate_);
    candidate_.reset();
    put(held_out_, document);
    return;
  }
  const bool none_yet = held_out_.content.documents.empty() && held_out_.entry.shards.empty();
  if (options_.held_out > 0.0 && none_yet && (!candidate_ || hash < candidate_hash_)) {
    if (candidate_) put(train_, *candidate_);
    candidate_ = std::move(document);
    candidate_hash_ = hash;
    return;
  }
  put(train_, document);
}

void SourceWriter::cut_single(const Tokenise& tokenise) {
  const std::string text = std::move(candidate_->text);
  const auto share = std::clamp(1.0 - options_.held_out, 0.0, 1.0);
  const size_t cut =
      cut_position(text, static_cast<size_t>(share * static_cast<double>(text.size())));
  if (cut > 0) put(train_, tokenise(text.substr(0, cut)));
  for (size_t begin = cut; begin < text.size();) {
    const size_t end =
        text.size() - begin < 2 * kTailPiece ? text.size() : cut_position(text, begin + kTailPiece);
    put(held_out_, tokenise(text.substr(begin, end - begin)));
    begin = end;
  }
}

void SourceWriter::finish(const Tokenise& tokenise, SplitEntry& train, SplitEntry& held_out) {
  if (candidate_) {
    const bool single = train_.content.documents.empty() && train_.entry.shards.empty();
    single ? cut_single(tokenise) : put(held_out_, *candidate_);
    candidate_.reset();
  }
  close_shard(train_);
  close_shard(held_out_);
  train = std::move(train_.entry);
  held_out = std::move(held_out_.entry);
}

}  // namespace cadre::data
