#include <doctest/doctest.h>

#include <map>
#include <set>

#include "data/held_out_plan.h"
#include "data/loader.h"
#include "tests/data/byte_dataset.h"

namespace cadre::data {
namespace {

struct Fixture {
  ScratchFolder scratch;
  std::filesystem::path folder = scratch / "dataset";

  Fixture() {
    ThreadPool pool(1);
    BuildOptions options;
    options.held_out = 0.5;
    options.max_shard_tokens = 700;
    build_dataset({{"a", {write_texts(scratch, "a", numbered_texts("alpha", 120))}}}, options,
                  byte_encoder(), folder, pool);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "held out: every token is read once and bytes are counted exactly") {
  for (const int64_t length : {7, 64, 10000}) {
    for (const int64_t batch_size : {1, 3}) {
      CAPTURE(length);
      CAPTURE(batch_size);
      const PackedLoader loader = PackedLoader::open(
          folder, {.sequence_length = 7, .batch_size = 1, .max_held_out_tokens = 1 << 30});
      const TokenStream stream =
          TokenStream::open(folder, loader.manifest().sources[0].held_out, 257, true);
      const HeldOutPlan plan(stream, 1 << 30);
      CHECK(plan.num_documents() == stream.num_documents());
      std::vector<int32_t> tokens;
      std::string targets;
      int64_t text_bytes = 0;
      int64_t num_targets = 0;
      for (int64_t i = 0; i < plan.num_batches(batch_size, length); ++i) {
        const Batch batch = plan.batch(stream, 0, i, batch_size, length);
        CHECK(static_cast<int64_t>(batch.tokens.size()) <= batch_size * length);
        CHECK(batch.positions.size() == batch.tokens.size());
        tokens.insert(tokens.end(), batch.tokens.begin(), batch.tokens.end());
        for (const int32_t target : batch.targets) {
          if (target >= 0 && target != kEos) targets += static_cast<char>(target);
        }
        text_bytes += batch.text_bytes;
        num_targets += batch.num_targets;
        for (size_t s = 0; s < batch.starts.size(); ++s) {
          CHECK(batch.positions[static_cast<size_t>(batch.starts[s])] == 0);
        }
      }
      std::vector<int32_t> all(static_cast<size_t>(stream.num_tokens()));
      stream.copy_tokens(0, all);
      CHECK(tokens == all);
      // A byte is a token here: the targets are the text itself.
      CHECK(text_bytes == static_cast<int64_t>(targets.size()));
      CHECK(text_bytes == plan.text_bytes());
      CHECK(num_targets == stream.num_tokens() - stream.num_documents());
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "held out: a limit takes whole documents, the same for any seed") {
  std::vector<int32_t> expected;
  for (const uint64_t seed : {0, 1}) {
    const PackedLoader loader = PackedLoader::open(
        folder, {.sequence_length = 16, .batch_size = 2, .seed = seed, .max_held_out_tokens = 500});
    const HeldOutPlan& plan = loader.held_out(0);
    CHECK(plan.num_tokens() <= 500);
    CHECK(plan.num_tokens() > 250);
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < loader.num_validation_batches(0); ++i) {
      const Batch batch = loader.validation_batch(0, i);
      tokens.insert(tokens.end(), batch.tokens.begin(), batch.tokens.end());
    }
    CHECK(static_cast<int64_t>(tokens.size()) == plan.num_tokens());
    CHECK(std::count(tokens.begin(), tokens.end(), kEos) == plan.num_documents());
    CHECK(tokens.back() == kEos);
    if (seed == 0) expected = tokens;
    CHECK(tokens == expected);
  }
}

TEST_CASE_FIXTURE(Fixture, "held out: one document is taken however low the limit") {
  const PackedLoader loader = PackedLoader::open(
      folder, {.sequence_length = 16, .batch_size = 2, .max_held_out_tokens = 1});
  CHECK(loader.held_out(0).num_documents() == 1);
  CHECK(loader.num_validation_batches(0) > 0);
}

}  // namespace cadre::data
