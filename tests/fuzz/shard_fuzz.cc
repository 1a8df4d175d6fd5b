// Token shards: counts and offsets are believed only after they agree with the file. Each input is
// read with good checksums too, which random changes would never have, to reach what is behind.
#include <cstring>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/checksum.h"
#include "data/token_shard.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {
namespace {

constexpr size_t kHeader = 64;

void put(std::string& bytes, size_t at, uint64_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

std::string with_good_checksums(std::string bytes) {
  if (bytes.size() < kHeader) return bytes;
  put(bytes, 48, io::checksum(std::string_view(bytes).substr(kHeader)));
  put(bytes, 56, io::checksum(std::string_view(bytes).substr(0, 56)));
  return bytes;
}

void read_shard(std::string_view bytes) {
  const InputFile file(bytes, "input.tokens");
  const auto shard = data::TokenShard::open(file.path());
  shard->verify();
  std::vector<int32_t> tokens(static_cast<size_t>(shard->num_tokens()));
  shard->copy_tokens(0, tokens);
  for (int64_t i = 0; i < shard->num_tokens(); ++i) {
    if (shard->document_of(i) >= shard->num_documents() ||
        tokens[static_cast<size_t>(i)] >= shard->vocab_size()) {
      fail(ErrorKind::internal, "token {} lies outside", i);
    }
  }
}

}  // namespace

void read_input(std::string_view bytes) {
  try {
    read_shard(with_good_checksums(std::string(bytes)));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) throw;
  }
  read_shard(bytes);
}

std::vector<std::string> seeds() {
  std::vector<std::string> shards;
  for (const int64_t vocab_size : {300, 100000}) {
    data::TokenShardContent content;
    content.add(std::vector<int32_t>{1, 2, 299}, 12, 4);
    content.add(std::vector<int32_t>{0}, 0, 0);
    const InputFile file("", "seed.tokens");
    data::write_token_shard(file.path(), content, vocab_size);
    shards.push_back(read_text_file(file.path()));
  }
  return shards;
}

}  // namespace cadre::fuzz
