#include "text/tokenizer.h"

#include <algorithm>
#include <bit>

#include "core/base/error.h"
#include "core/base/file.h"
#include "text/tokenizer_data.h"
#include "text/utf8.h"
#include "text/word_cache.h"

namespace cadre::text {
namespace {

// A workspace's cache: 2 MB, about what a core's second-level cache holds.
constexpr size_t kWorkspaceSlots = 1 << 15;
constexpr size_t kFewestSlots = 1 << 6;
// A cache for one call should cost less to clear than it can save.
constexpr size_t kBytesPerSlot = 32;

size_t slots_for(size_t text_bytes) {
  const size_t slots = std::bit_floor(text_bytes / kBytesPerSlot + 1);
  return slots < kFewestSlots ? 0 : std::min(slots, kWorkspaceSlots);
}

}  // namespace

struct EncodeWorkspace::State {
  std::shared_ptr<const Tokenizer::Data> owner;  // whose words are in the cache
  WordCache cache;
  Normalizer::Scratch normalizer;
  PreTokenizer::Scratch pre_tokenizer;
  ModelScratch model;
  std::string repaired;
  std::vector<AddedTokenMatcher::Piece> raw_pieces;
  std::vector<AddedTokenMatcher::Piece> normalized_pieces;
};

EncodeWorkspace::EncodeWorkspace() = default;
EncodeWorkspace::~EncodeWorkspace() = default;
EncodeWorkspace::EncodeWorkspace(EncodeWorkspace&&) noexcept = default;
EncodeWorkspace& EncodeWorkspace::operator=(EncodeWorkspace&&) noexcept = default;

namespace {

// One call of encode: what it reads, where it writes.
struct Encoding {
  const TokenModel& model;
  WordCache& cache;
  ModelScratch& scratch;
  std::vector<int32_t>& ids;

  void word(std::string_view word) {
    if (word.size() > WordCache::kMaxBytes || cache.slots() == 0) {
      return model.encode(word, scratch, ids);
    }
    const WordCache::Key key = WordCache::key_of(word);
    bool found = false;
    const std::span<const int32_t> known = cache.find(key, found);
    if (found) {
      ids.insert(ids.end(), known.begin(), known.end());
      return;
    }
    const size_t begin = ids.size();
    model.encode(word, scratch, ids);
    cache.store(key, std::span<const int32_t>(ids).subspan(begin));
  }
};

}  // namespace

const std::vector<TokenizerFile>& Tokenizer::files() const { return data_->files; }

const std::string& Tokenizer::to_json() const {
  if (data_->files.empty() || !data_->files[0].content.starts_with('{')) {
    fail(ErrorKind::unsupported, "tokenizer: its vocabulary does not come from a tokenizer.json");
  }
  return data_->files[0].content;
}

void Tokenizer::save(const std::filesystem::path& file) const {
  if (data_->files.empty())
    fail(ErrorKind::unsupported, "{}: this tokenizer has no file", file.string());
  write_file_atomically(file, data_->files[0].content);
}

void Tokenizer::save_into(const std::filesystem::path& folder) const {
  for (const TokenizerFile& file : data_->files) {
    write_file_atomically(folder / file.name, file.content);
  }
}

const TokenizerSummary& Tokenizer::summary() const { return data_->summary; }

std::vector<int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  EncodeWorkspace workspace;
  workspace.state_ = std::make_unique<EncodeWorkspace::State>();
  workspace.state_->owner = data_;
  workspace.state_->cache = WordCache(slots_for(text.size()));
  std::vector<int32_t> ids;
  encode(text, options, workspace, ids);
  return ids;
}

void Tokenizer::encode(std::string_view text, EncodeOptions options, EncodeWorkspace& workspace,
                       std::vector<int32_t>& ids) const {
  if (workspace.state_ == nullptr || workspace.state_->owner != data_) {
    workspace.state_ = std::make_unique<EncodeWorkspace::State>();
    workspace.state_->owner = data_;
    workspace.state_->cache = WordCache(kWorkspaceSlots);
  }
  EncodeWorkspace::State& state = *workspace.state_;
  if (!is_valid_utf8(text)) {
    state.repaired.clear();
    append_repaired(text, state.repaired);
    text = state.repaired;
  }
  if (options.add_special_tokens) ids.insert(ids.end(), data_->before.begin(), data_->before.end());
  Encoding encoding = {*data_->model, state.cache, state.model, ids};
  const PreTokenizer::Visitor visit = [&](std::string_view word) { encoding.word(word); };
  data_->raw_tokens.cut(text, options.parse_special, state.raw_pieces);
  for (const AddedTokenMatcher::Piece& raw : state.raw_pieces) {
    if (raw.id >= 0) {
      ids.push_back(raw.id);
      continue;
    }
    bool at_start = raw.text.data() == text.data();
    const std::string_view normal = data_->normalizer.apply(raw.text, at_start, state.normalizer);
    data_->normalized_tokens.cut(normal, options.parse_special, state.normalized_pieces);
    for (const AddedTokenMatcher::Piece& piece : state.normalized_pieces) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else {
        data_->pre_tokenizer.for_each_word(piece.text, at_start, state.pre_tokenizer, visit);
      }
      at_start = false;
    }
  }
  if (options.add_special_tokens) ids.insert(ids.end(), data_->after.begin(), data_->after.end());
}

namespace {

TokenText text_of(const Piece& piece) {
  return {.bytes = piece.bytes,
          .written = piece.written,
          .byte = piece.byte,
          .shown_as_is = piece.shown_as_is};
}

}  // namespace

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  TokenDecoder decoder(data_->decoder, /*prompt=*/false);
  for (int32_t id : ids) {
    if (id < 0 || id >= vocab_size() || !data_->pieces[id].present) continue;
    if (skip_special && is_special(id)) {
      decoder.skip(text);
    } else {
      decoder.push(text_of(data_->pieces[id]), text);
    }
  }
  decoder.finish(text);
  return text;
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  return id >= 0 && id < vocab_size() ? std::string_view(data_->pieces[id].bytes)
                                      : std::string_view();
}

int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(data_->pieces.size()); }

int32_t Tokenizer::token_to_id(std::string_view token) const {
  const auto found = data_->ids.find(std::string(token));
  return found == data_->ids.end() ? -1 : found->second;
}

std::string_view Tokenizer::id_to_token(int32_t id) const {
  return id >= 0 && id < vocab_size() ? std::string_view(data_->pieces[id].written)
                                      : std::string_view();
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && data_->pieces[id].special;
}

int32_t Tokenizer::required_id(std::string_view token) const {
  const int32_t id = token_to_id(token);
  if (id < 0) {
    fail(ErrorKind::not_found, "tokenizer: no token \"{}\" in its vocabulary of {}", token,
         vocab_size());
  }
  return id;
}

std::vector<int32_t> Tokenizer::special_ids() const {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (data_->pieces[id].special) ids.push_back(id);
  }
  return ids;
}

const std::vector<std::string>& Tokenizer::notes() const { return data_->notes; }

StreamDecoder::StreamDecoder(Tokenizer tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)),
      skip_special_(skip_special),
      decoder_(std::make_unique<TokenDecoder>(tokenizer_.data_->decoder, /*prompt=*/true)) {}

StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::push(int32_t id) {
  std::string text;
  const std::vector<Piece>& pieces = tokenizer_.data_->pieces;
  if (id < 0 || id >= tokenizer_.vocab_size() || !pieces[id].present) return text;
  if (skip_special_ && pieces[id].special) {
    decoder_->skip(text);
  } else {
    decoder_->push(text_of(pieces[id]), text);
  }
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  decoder_->finish(text);
  return text;
}

}  // namespace cadre::text
