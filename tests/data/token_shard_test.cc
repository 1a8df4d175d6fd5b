#include "data/token_shard.h"

#include <doctest/doctest.h>

#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre::data {
namespace {

TokenShardContent example(int32_t largest) {
  TokenShardContent content;
  content.add(std::vector<int32_t>{1, 2, largest}, 10, 2);
  content.add(std::vector<int32_t>{0}, 0, 0);
  content.add(std::vector<int32_t>{5, 6, 7, 8, 9}, 20, 20);
  return content;
}

}  // namespace

TEST_CASE("token shard: what is written reads back, in two bytes or four") {
  const ScratchFolder folder;
  for (const int64_t vocab_size : {10, 65536, 65537, 1 << 30}) {
    CAPTURE(vocab_size);
    const TokenShardContent content = example(static_cast<int32_t>(vocab_size) - 1);
    const TokenShardInfo info = write_token_shard(folder / "a.tokens", content, vocab_size);
    const auto shard = TokenShard::open(folder / "a.tokens");
    CHECK(shard->verify() == info.checksum);
    CHECK(shard->num_tokens() == 9);
    CHECK(shard->num_documents() == 3);
    CHECK(shard->text_bytes() == 30);
    CHECK(shard->vocab_size() == vocab_size);
    std::vector<int32_t> tokens(9);
    shard->copy_tokens(0, tokens);
    CHECK(tokens == content.tokens);
    std::vector<int32_t> middle(3);
    shard->copy_tokens(2, middle);
    CHECK(middle == std::vector<int32_t>{content.tokens[2], 0, 5});
    const std::vector<int64_t> owners = {0, 0, 0, 1, 2, 2, 2, 2, 2};
    for (int64_t i = 0; i < 9; ++i) CHECK(shard->document_of(i) == owners[static_cast<size_t>(i)]);
    CHECK(std::filesystem::file_size(folder / "a.tokens") ==
          64 + (vocab_size <= 65536 ? 24u : 40u) + 3 * 16);
  }
}

TEST_CASE("token shard: an empty one is a shard too") {
  const ScratchFolder folder;
  write_token_shard(folder / "a", {}, 5);
  const auto shard = TokenShard::open(folder / "a");
  CHECK(shard->num_tokens() == 0);
  shard->verify();
}

TEST_CASE("token shard: a token outside the vocabulary is not written") {
  const ScratchFolder folder;
  error_of(ErrorKind::internal, [&] { write_token_shard(folder / "a", example(10), 10); });
  CHECK_FALSE(std::filesystem::exists(folder / "a"));
}

TEST_CASE("token shard: errors name the file and the field") {
  const ScratchFolder folder;
  write_token_shard(folder / "a", example(9), 10);
  const std::string whole = file_content(folder / "a");
  const auto refused = [&](std::string content, ErrorKind kind = ErrorKind::corrupt_data) {
    const auto path = folder.write("bad.tokens", content);
    const std::string message = error_of(kind, [&] { TokenShard::open(path)->verify(); });
    CHECK(contains(message, "bad.tokens"));
    return message;
  };
  CHECK(contains(refused("short"), "header"));
  CHECK(contains(refused("CADRTOK2" + whole.substr(8)), "CADRTOK1"));
  CHECK(contains(refused(whole.substr(0, 8) + "\x02" + whole.substr(9), ErrorKind::unsupported),
                 "version"));
  CHECK(contains(refused(whole.substr(0, 16) + "\x08" + whole.substr(17)), "header checksum"));
  CHECK(contains(refused(whole + "x"), "bytes of data"));
  std::string flipped = whole;
  flipped[64] = 3;
  CHECK(contains(refused(flipped), "data checksum"));
}

}  // namespace cadre::data
