#include "data/loader.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "tests/data/byte_dataset.h"
#include "tests/expect_error.h"

namespace cadre::data {
namespace {

struct Fixture {
  ScratchFolder scratch;
  std::filesystem::path folder = scratch / "dataset";

  Fixture() {
    ThreadPool pool(1);
    BuildOptions options;
    options.held_out = 0.1;
    options.max_shard_tokens = 500;
    build_dataset({{"a", {write_texts(scratch, "a", numbered_texts("alpha", 60))}, 3.0},
                   {"b", {write_texts(scratch, "b", numbered_texts("beta", 40))}, 1.0}},
                  options, byte_encoder(), folder, pool);
  }
  PackedLoader open(LoaderOptions options = {.sequence_length = 32, .batch_size = 4}) const {
    return PackedLoader::open(folder, options);
  }
};

bool same(const Batch& x, const Batch& y) {
  return x.tokens == y.tokens && x.targets == y.targets && x.positions == y.positions &&
         x.starts == y.starts && x.sources == y.sources && x.num_targets == y.num_targets;
}

std::vector<int32_t> row(const Batch& batch, int64_t index, int64_t length) {
  const auto begin = batch.tokens.begin() + index * length;
  return {begin, begin + length};
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "loader: a batch depends on the seed and its number alone") {
  const PackedLoader first = open();
  std::vector<Batch> batches;
  for (int64_t i = 0; i < 40; ++i) batches.push_back(first.training_batch(i));
  const PackedLoader second = open();
  for (int64_t i = 39; i >= 0; i -= 3) {
    CHECK(same(second.training_batch(i), batches[static_cast<size_t>(i)]));
  }
  const PackedLoader other = open({.sequence_length = 32, .batch_size = 4, .seed = 1});
  CHECK_FALSE(same(other.training_batch(0), batches[0]));
  // Cutting a step into other micro-batches gives the same sequences.
  const PackedLoader halves = open({.sequence_length = 32, .batch_size = 2});
  for (int64_t i = 0; i < 20; ++i) {
    for (int64_t r = 0; r < 4; ++r) {
      CHECK(row(halves.training_batch(2 * i + r / 2), r % 2, 32) ==
            row(batches[static_cast<size_t>(i)], r, 32));
    }
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "loader: an epoch holds every sequence once, the next in another order") {
  const PackedLoader loader = open({.sequence_length = 16, .batch_size = 1});
  for (const int32_t source : {0, 1}) {
    const int64_t sequences = loader.sequences(source);
    REQUIRE(sequences > 10);
    std::vector<std::vector<std::vector<int32_t>>> epochs(2);
    for (int64_t i = 0; epochs[1].size() < static_cast<size_t>(sequences); ++i) {
      const Batch batch = loader.training_batch(i);
      if (batch.sources[0] != source) continue;
      auto& epoch = epochs[epochs[0].size() < static_cast<size_t>(sequences) ? 0 : 1];
      epoch.push_back(batch.tokens);
    }
    const TokenStream stream = TokenStream::open(
        folder, loader.manifest().sources[static_cast<size_t>(source)].train, 257, true);
    std::vector<int32_t> all(static_cast<size_t>(stream.num_tokens()));
    stream.copy_tokens(0, all);
    for (const auto& epoch : epochs) {
      // Some shift of the cuts gives exactly these sequences.
      const std::multiset<std::vector<int32_t>> found(epoch.begin(), epoch.end());
      bool matches = false;
      for (int64_t shift = 0; shift + sequences * 16 < stream.num_tokens(); ++shift) {
        std::multiset<std::vector<int32_t>> cuts;
        for (int64_t s = 0; s < sequences; ++s) {
          const auto begin = all.begin() + shift + s * 16;
          cuts.emplace(begin, begin + 16);
        }
        matches = matches || cuts == found;
      }
      CHECK(matches);
    }
    CHECK(epochs[0] != epochs[1]);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "loader: realised weights are those of the manifest, or those asked for") {
  const auto counts = [&](const PackedLoader& loader) {
    std::map<int32_t, int64_t> sequences;
    for (int64_t i = 0; i < 250; ++i) {
      for (const int32_t source : loader.training_batch(i).sources) ++sequences[source];
    }
    return sequences;
  };
  CHECK(counts(open()) == std::map<int32_t, int64_t>{{0, 750}, {1, 250}});
  CHECK(counts(open({.sequence_length = 8, .batch_size = 4, .weights = {{"b", 12.0}}})) ==
        std::map<int32_t, int64_t>{{0, 200}, {1, 800}});
  const PackedLoader only = open({.sequence_length = 8, .batch_size = 4, .weights = {{"a", 0.0}}});
  CHECK(counts(only) == std::map<int32_t, int64_t>{{1, 1000}});
  CHECK(only.sequences(0) == 0);
  CHECK(only.epochs(1, only.sequences(1)) == doctest::Approx(4.0));
}

TEST_CASE_FIXTURE(Fixture, "loader: nothing is predicted or seen across the end of a document") {
  const PackedLoader loader = open({.sequence_length = 50, .batch_size = 3});
  int64_t interior_ends = 0;
  for (int64_t i = 0; i < 60; ++i) {
    const Batch batch = loader.training_batch(i);
    REQUIRE(batch.tokens.size() == 150);
    REQUIRE(batch.targets.size() == 150);
    REQUIRE(batch.positions.size() == 150);
    std::set<int64_t> starts(batch.starts.begin(), batch.starts.end());
    CHECK(starts.size() == batch.starts.size());
    CHECK(std::is_sorted(batch.starts.begin(), batch.starts.end()));
    int64_t targets = 0;
    for (int64_t n = 0; n < 150; ++n) {
      const auto at = static_cast<size_t>(n);
      const bool ended = n > 0 && batch.tokens[at - 1] == kEos;
      CHECK((starts.count(n) == 1) == (n % 50 == 0 || ended));
      const int64_t start = *std::prev(starts.upper_bound(n));
      CHECK(batch.positions[at] == n - start);
      CHECK((batch.targets[at] == -1) == (batch.tokens[at] == kEos));
      if (batch.targets[at] >= 0 && n % 50 != 49) CHECK(batch.targets[at] == batch.tokens[at + 1]);
      targets += batch.targets[at] >= 0 ? 1 : 0;
      interior_ends += ended ? 1 : 0;
    }
    CHECK(batch.num_targets == targets);
  }
  CHECK(interior_ends > 20);
}

TEST_CASE_FIXTURE(Fixture, "loader: without document masking a sequence is one segment") {
  const PackedLoader masked = open({.sequence_length = 50, .batch_size = 2});
  const PackedLoader plain =
      open({.sequence_length = 50, .batch_size = 2, .document_masking = false});
  for (int64_t i = 0; i < 20; ++i) {
    const Batch batch = plain.training_batch(i);
    CHECK(batch.tokens == masked.training_batch(i).tokens);
    CHECK(batch.starts == std::vector<int64_t>{0, 50});
    CHECK(batch.num_targets == 100);
    for (size_t n = 0; n < 100; ++n) {
      CHECK(batch.positions[n] == static_cast<int32_t>(n % 50));
      CHECK(batch.targets[n] >= 0);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "loader: sequences may cross the border between shards") {
  const PackedLoader loader = open({.sequence_length = 200, .batch_size = 1});
  CHECK(loader.manifest().sources[0].train.shards.size() > 3);
  const TokenStream stream =
      TokenStream::open(folder, loader.manifest().sources[0].train, 257, true);
  std::vector<int32_t> all(static_cast<size_t>(stream.num_tokens()));
  stream.copy_tokens(0, all);
  for (int64_t i = 0; i < 30; ++i) {
    const Batch batch = loader.training_batch(i);
    if (batch.sources[0] != 0) continue;
    CHECK(std::search(all.begin(), all.end(), batch.tokens.begin(), batch.tokens.end()) !=
          all.end());
  }
}

TEST_CASE_FIXTURE(Fixture, "loader: options that make no sense are refused by name") {
  const auto refused = [&](const LoaderOptions& options) {
    return error_of(ErrorKind::invalid_input, [&] { open(options); });
  };
  CHECK(contains(refused({.sequence_length = 0}), "sequence_length"));
  CHECK(contains(refused({.batch_size = 0}), "batch_size"));
  CHECK(contains(refused({.sequence_length = 1 << 20, .batch_size = 1 << 20}), "batch_size"));
  CHECK(contains(refused({.sequence_length = 1 << 20, .batch_size = 1}), "source \"a\" has"));
  CHECK(contains(refused({.weights = {{"bb", 1.0}}}), "did you mean \"b\"?"));
  CHECK(contains(refused({.weights = {{"b", -1.0}}}), "weight"));
  CHECK(contains(refused({.weights = {{"a", 0.0}, {"b", 0.0}}}), "weights"));
  error_of(ErrorKind::not_found, [&] { PackedLoader::open(scratch / "absent", {}); });
}

}  // namespace cadre::data
