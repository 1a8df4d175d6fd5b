#include "data/token_stream.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/io/checksum.h"

namespace cadre::data {
namespace {

// The shard that holds the item, given where the items of each begin.
size_t shard_of(const std::vector<int64_t>& begin, int64_t item) {
  CADRE_CHECK(item >= 0 && item < begin.back());
  return static_cast<size_t>(std::upper_bound(begin.begin(), begin.end(), item) - begin.begin()) -
         1;
}

void expect(const TokenShard& shard, std::string_view what, int64_t found, int64_t expected) {
  if (found != expected) {
    fail(ErrorKind::corrupt_data, "{}: has {} {}, expected {} as the manifest says",
         shard.path().string(), found, what, expected);
  }
}

}  // namespace

TokenStream TokenStream::open(const std::filesystem::path& folder, const SplitEntry& split,
                              int64_t vocab_size, bool verify) {
  TokenStream stream;
  for (const ShardEntry& entry : split.shards) {
    const auto shard = TokenShard::open(folder / entry.file);
    expect(*shard, "tokens", shard->num_tokens(), entry.tokens);
    expect(*shard, "documents", shard->num_documents(), entry.documents);
    expect(*shard, "bytes of text", shard->text_bytes(), entry.text_bytes);
    expect(*shard, "as vocab_size", shard->vocab_size(), vocab_size);
    if (verify) {
      const uint64_t found = shard->verify();
      if (found != entry.checksum) {
        fail(ErrorKind::corrupt_data, "{}: checksum is {}, expected {} as the manifest says",
             shard->path().string(), io::to_hex(found), io::to_hex(entry.checksum));
      }
    }
    stream.token_begin_.push_back(stream.num_tokens() + shard->num_tokens());
    stream.document_begin_.push_back(stream.num_documents() + shard->num_documents());
    stream.shards_.push_back(shard);
  }
  return stream;
}

TokenStream::DocumentSpan TokenStream::document(int64_t index) const {
  const size_t shard = shard_of(document_begin_, index);
  const std::span<const DocumentRecord> records = shards_[shard]->documents();
  const auto local = static_cast<size_t>(index - document_begin_[shard]);
  const DocumentRecord& record = records[local];
  const int64_t offset = token_begin_[shard];
  const int64_t begin = local == 0 ? 0 : static_cast<int64_t>(records[local - 1].end);
  return {offset + begin, offset + static_cast<int64_t>(record.end),
          static_cast<int64_t>(record.text_bytes) - record.first_token_bytes};
}

int64_t TokenStream::document_of(int64_t position) const {
  const size_t shard = shard_of(token_begin_, position);
  return document_begin_[shard] + shards_[shard]->document_of(position - token_begin_[shard]);
}

void TokenStream::copy_tokens(int64_t begin, std::span<int32_t> out) const {
  while (!out.empty()) {
    const size_t shard = shard_of(token_begin_, begin);
    const auto here = static_cast<size_t>(
        std::min(static_cast<int64_t>(out.size()), token_begin_[shard + 1] - begin));
    shards_[shard]->copy_tokens(begin - token_begin_[shard], out.first(here));
    out = out.subspan(here);
    begin += static_cast<int64_t>(here);
  }
}

}  // namespace cadre::data
