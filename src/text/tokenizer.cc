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
  PreTokenizer::Scratch pre_tokenizer;
  BpeModel::Scratch model;
  std::string repaired;
  std::string normalized;
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
  const BpeModel& model;
  WordCache& cache;
  BpeModel::Scratch& scratch;
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

Tokenizer Tokenizer::load(const std::filesystem::path& file) {
  return from_json(read_text_file(file), file.string());
}

const std::string& Tokenizer::to_json() const { return data_->json; }

void Tokenizer::save(const std::filesystem::path& file) const {
  write_file_atomically(file, data_->json);
}

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
  Encoding encoding = {data_->model, state.cache, state.model, ids};
  const PreTokenizer::Visitor visit = [&](std::string_view word) { encoding.word(word); };
  data_->raw_tokens.cut(text, options.parse_special, state.raw_pieces);
  for (const AddedTokenMatcher::Piece& raw : state.raw_pieces) {
    if (raw.id >= 0) {
      ids.push_back(raw.id);
      continue;
    }
    const std::string_view normal = data_->normalizer.apply(raw.text, state.normalized);
    data_->normalized_tokens.cut(normal, options.parse_special, state.normalized_pieces);
    for (const AddedTokenMatcher::Piece& piece : state.normalized_pieces) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else {
        data_->pre_tokenizer.for_each_word(piece.text, state.pre_tokenizer, visit);
      }
    }
  }
  if (options.add_special_tokens) ids.insert(ids.end(), data_->after.begin(), data_->after.end());
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (int32_t id : ids) {
    if (!(skip_special && is_special(id))) bytes += token_bytes(id);
  }
  if (is_valid_utf8(bytes)) return bytes;
  std::string text;
  append_repaired(bytes, text);
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

std::string StreamDecoder::push(int32_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  pending_ += tokenizer_.token_bytes(id);
  std::string text;
  const size_t ready = complete_prefix(pending_);
  append_repaired(std::string_view(pending_).substr(0, ready), text);
  pending_.erase(0, ready);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  append_repaired(pending_, text);
  pending_.clear();
  return text;
}

}  // namespace cadre::text
