// Every cut and every flipped bit of a small dataset: an error that names the file, or the very
// same batches.
#include <doctest/doctest.h>

#include "core/base/file.h"
#include "data/loader.h"
#include "tests/data/byte_dataset.h"
#include "tests/expect_error.h"

namespace cadre::data {
namespace {

std::vector<int32_t> all_tokens(const std::filesystem::path& folder) {
  const PackedLoader loader = PackedLoader::open(folder, {.sequence_length = 4, .batch_size = 2});
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < 4; ++i) {
    const Batch batch = loader.training_batch(i);
    tokens.insert(tokens.end(), batch.tokens.begin(), batch.tokens.end());
    tokens.insert(tokens.end(), batch.targets.begin(), batch.targets.end());
  }
  for (int64_t i = 0; i < loader.num_validation_batches(0); ++i) {
    const Batch batch = loader.validation_batch(0, i);
    tokens.insert(tokens.end(), batch.tokens.begin(), batch.tokens.end());
    tokens.push_back(static_cast<int32_t>(batch.text_bytes));
  }
  return tokens;
}

struct Fixture {
  ScratchFolder scratch;
  std::filesystem::path folder = scratch / "dataset";
  std::vector<int32_t> expected;

  Fixture() {
    ThreadPool pool(1);
    build_dataset({{"a", {write_texts(scratch, "texts", {"some text", "more of it", "and last"})}}},
                  {}, byte_encoder(), folder, pool);
    expected = all_tokens(folder);
  }

  // True if the damage went unnoticed because it changed nothing that matters.
  bool survives(const std::filesystem::path& file, const std::string& content) {
    scratch.write(file.lexically_relative(scratch.path()).string(), content);
    try {
      const std::vector<int32_t> found = all_tokens(folder);
      CHECK(found == expected);
      return true;
    } catch (const Error& error) {
      INFO(std::string(error.what()));
      const bool by_the_file =
          error.kind() == ErrorKind::corrupt_data || error.kind() == ErrorKind::unsupported;
      CHECK(by_the_file);
      CHECK(contains(error.what(), file.filename().string()));
      return false;
    }
  }

  void damage(const std::filesystem::path& file, bool any_change_shows) {
    CAPTURE(file.string());
    const std::string whole = file_content(file);
    for (size_t size = 0; size < whole.size(); ++size) {
      // The last byte of a manifest is a line break, which nobody needs.
      if (!any_change_shows && size + 1 == whole.size()) continue;
      CHECK_FALSE(survives(file, whole.substr(0, size)));
    }
    for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      const bool unnoticed = survives(file, flipped);
      if (any_change_shows) CHECK_FALSE(unnoticed);
    }
    scratch.write(file.lexically_relative(scratch.path()).string(), whole);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "damage: no cut and no flipped bit of a shard goes unnoticed") {
  damage(folder / "a.train.00000.tokens", true);
  damage(folder / "a.held_out.00000.tokens", true);
}

TEST_CASE_FIXTURE(Fixture, "damage: a changed manifest is refused or says the same") {
  damage(folder / kManifestFile, false);
}

TEST_CASE_FIXTURE(Fixture, "damage: a shard of another dataset is refused by the manifest") {
  TokenShardContent content;
  const auto shard = TokenShard::open(folder / "a.train.00000.tokens");
  for (int64_t i = 0; i < shard->num_documents(); ++i) {
    const DocumentRecord& record = shard->documents()[static_cast<size_t>(i)];
    const int64_t begin = static_cast<int64_t>(content.tokens.size());
    content.add(
        std::vector<int32_t>(static_cast<size_t>(record.end) - static_cast<size_t>(begin), 7),
        record.text_bytes, record.first_token_bytes);
  }
  write_token_shard(folder / "a.train.00000.tokens", content, 257);
  CHECK(contains(error_of(ErrorKind::corrupt_data, [&] { all_tokens(folder); }), "manifest says"));
  std::filesystem::remove(folder / "a.train.00000.tokens");
  CHECK(contains(error_of(ErrorKind::not_found, [&] { all_tokens(folder); }), "a.train.00000"));
}

}  // namespace cadre::data
