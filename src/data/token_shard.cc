#include "data/token_shard.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "core/base/error.h"
#include "core/io/checksum.h"

namespace cadre::data {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are read as they lie on disk");

constexpr size_t kHeaderBytes = 64;
constexpr uint32_t kVersion = 1;
constexpr char kMagic[] = "CADRTOK1";

struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t token_bytes;
  uint64_t tokens;
  uint64_t documents;
  uint32_t vocab_size;
  uint32_t zero;
  uint64_t text_bytes;
  uint64_t data_checksum;
  uint64_t header_checksum;
};
static_assert(sizeof(Header) == kHeaderBytes);

uint64_t checksum_of(const Header& header) {
  return io::checksum(std::as_bytes(std::span(&header, 1)).first(56));
}

uint64_t padded(uint64_t bytes) { return (bytes + 7) / 8 * 8; }

template <typename T>
std::string pack(const std::vector<int32_t>& tokens) {
  std::string bytes(padded(tokens.size() * sizeof(T)), '\0');
  for (size_t i = 0; i < tokens.size(); ++i) {
    const T token = static_cast<T>(tokens[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &token, sizeof(T));
  }
  return bytes;
}

template <typename T>
uint32_t largest(const std::byte* data, int64_t count) {
  const auto* tokens = reinterpret_cast<const T*>(data);
  T most = 0;
  for (int64_t i = 0; i < count; ++i) most = std::max(most, tokens[i]);
  return most;
}

template <typename T>
void copy(const std::byte* data, int64_t begin, std::span<int32_t> out) {
  const auto* tokens = reinterpret_cast<const T*>(data) + begin;
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int32_t>(tokens[i]);
}

}  // namespace

void TokenShardContent::add(std::span<const int32_t> document, int64_t text_bytes,
                            int64_t first_token_bytes) {
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  CADRE_CHECK(!document.empty() && text_bytes >= 0 && text_bytes <= kMost);
  CADRE_CHECK(first_token_bytes >= 0 && first_token_bytes <= text_bytes);
  tokens.insert(tokens.end(), document.begin(), document.end());
  documents.push_back(
      {tokens.size(), static_cast<uint32_t>(text_bytes), static_cast<uint32_t>(first_token_bytes)});
}

TokenShardInfo write_token_shard(const std::filesystem::path& path,
                                 const TokenShardContent& content, int64_t vocab_size) {
  CADRE_CHECK(vocab_size >= 1 && vocab_size <= std::numeric_limits<int32_t>::max());
  for (const int32_t token : content.tokens) CADRE_CHECK(token >= 0 && token < vocab_size);
  CADRE_CHECK(content.documents.empty() ? content.tokens.empty()
                                        : content.documents.back().end == content.tokens.size());
  Header header{};
  std::memcpy(header.magic.data(), kMagic, header.magic.size());
  header.version = kVersion;
  header.token_bytes = vocab_size <= 65536 ? 2 : 4;
  header.tokens = content.tokens.size();
  header.documents = content.documents.size();
  header.vocab_size = static_cast<uint32_t>(vocab_size);
  for (const DocumentRecord& document : content.documents) header.text_bytes += document.text_bytes;
  const std::string tokens =
      header.token_bytes == 2 ? pack<uint16_t>(content.tokens) : pack<uint32_t>(content.tokens);
  const auto documents = std::as_bytes(std::span(content.documents));
  io::Checksum data;
  data.update(tokens);
  data.update(documents.data(), documents.size());
  header.data_checksum = data.value();
  header.header_checksum = checksum_of(header);

  std::string whole(reinterpret_cast<const char*>(&header), sizeof(header));
  whole += tokens;
  whole.append(reinterpret_cast<const char*>(documents.data()), documents.size());
  write_file_atomically(path, whole);
  return {static_cast<int64_t>(header.tokens), static_cast<int64_t>(header.documents),
          static_cast<int64_t>(header.text_bytes), io::checksum(whole)};
}

std::shared_ptr<const TokenShard> TokenShard::open(const std::filesystem::path& path) {
  std::shared_ptr<TokenShard> shard(new TokenShard(MappedFile::open(path)));
  const std::span<const std::byte> bytes = shard->file_->bytes();
  const std::string where = path.string();
  const auto corrupt = [&]<typename... Args>(fmt::format_string<Args...> format, Args&&... args) {
    fail(ErrorKind::corrupt_data, "{}: {}", where,
         fmt::format(format, std::forward<Args>(args)...));
  };
  if (bytes.size() < kHeaderBytes) {
    corrupt("has {} bytes, expected at least the {} of a header", bytes.size(), kHeaderBytes);
  }
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic.data(), kMagic, header.magic.size()) != 0) {
    corrupt("is not a token shard: it does not start with {}", kMagic);
  }
  if (header.version != kVersion) {
    fail(ErrorKind::unsupported, "{}: version is {}, expected {}", where, header.version, kVersion);
  }
  if (header.header_checksum != checksum_of(header)) {
    corrupt("header checksum is {}, expected {}", io::to_hex(checksum_of(header)),
            io::to_hex(header.header_checksum));
  }
  if (header.token_bytes != 2 && header.token_bytes != 4) {
    corrupt("a token has {} bytes, expected 2 or 4", header.token_bytes);
  }
  if (header.vocab_size < 1 || header.vocab_size > std::numeric_limits<int32_t>::max() ||
      (header.token_bytes == 2 && header.vocab_size > 65536) || header.zero != 0) {
    corrupt("vocab_size is {} for tokens of {} bytes", header.vocab_size, header.token_bytes);
  }
  // Counts are compared with the size by division, so that no product can overflow.
  const uint64_t data_bytes = bytes.size() - kHeaderBytes;
  const bool fits = header.tokens <= data_bytes / header.token_bytes &&
                    header.documents <= data_bytes / sizeof(DocumentRecord);
  const uint64_t token_bytes = fits ? padded(header.tokens * header.token_bytes) : 0;
  if (!fits || token_bytes + header.documents * sizeof(DocumentRecord) != data_bytes) {
    corrupt("has {} bytes of data, which do not hold {} tokens of {} bytes and {} documents",
            data_bytes, header.tokens, header.token_bytes, header.documents);
  }
  shard->num_tokens_ = static_cast<int64_t>(header.tokens);
  shard->text_bytes_ = static_cast<int64_t>(header.text_bytes);
  shard->vocab_size_ = header.vocab_size;
  shard->token_bytes_ = static_cast<int>(header.token_bytes);
  shard->data_checksum_ = header.data_checksum;
  // The mapping starts at a page and tokens are padded, so records are aligned.
  shard->documents_ = {
      reinterpret_cast<const DocumentRecord*>(bytes.data() + kHeaderBytes + token_bytes),
      static_cast<size_t>(header.documents)};

  uint64_t end = 0;
  uint64_t text_bytes = 0;
  for (size_t i = 0; i < shard->documents_.size(); ++i) {
    const DocumentRecord& document = shard->documents_[i];
    if (document.end <= end || document.end > header.tokens ||
        document.first_token_bytes > document.text_bytes) {
      corrupt("document {} ends at token {}, expected {} to {}", i, document.end, end + 1,
              header.tokens);
    }
    end = document.end;
    text_bytes += document.text_bytes;
  }
  if (end != header.tokens || text_bytes != header.text_bytes) {
    corrupt("its documents have {} tokens and {} bytes of text, expected {} and {}", end,
            text_bytes, header.tokens, header.text_bytes);
  }
  return shard;
}

uint64_t TokenShard::verify() const {
  const std::span<const std::byte> bytes = file_->bytes();
  const std::span<const std::byte> data = bytes.subspan(kHeaderBytes);
  const uint64_t found = io::checksum(data);
  if (found != data_checksum_) {
    fail(ErrorKind::corrupt_data, "{}: data checksum is {}, expected {}", path().string(),
         io::to_hex(found), io::to_hex(data_checksum_));
  }
  const uint32_t most = token_bytes_ == 2 ? largest<uint16_t>(data.data(), num_tokens_)
                                          : largest<uint32_t>(data.data(), num_tokens_);
  if (num_tokens_ > 0 && most >= vocab_size_) {
    fail(ErrorKind::corrupt_data, "{}: holds the token {}, expected tokens below {}",
         path().string(), most, vocab_size_);
  }
  return io::checksum(bytes);
}

void TokenShard::copy_tokens(int64_t begin, std::span<int32_t> out) const {
  CADRE_CHECK(begin >= 0 && static_cast<int64_t>(out.size()) <= num_tokens_ - begin);
  const std::byte* data = file_->bytes().data() + kHeaderBytes;
  token_bytes_ == 2 ? copy<uint16_t>(data, begin, out) : copy<uint32_t>(data, begin, out);
}

int64_t TokenShard::document_of(int64_t position) const {
  CADRE_CHECK(position >= 0 && position < num_tokens_);
  const auto found =
      std::upper_bound(documents_.begin(), documents_.end(), static_cast<uint64_t>(position),
                       [](uint64_t p, const DocumentRecord& document) { return p < document.end; });
  return found - documents_.begin();
}

}  // namespace cadre::data
