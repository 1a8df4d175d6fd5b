#include "text/bpe_model.h"

#include <doctest/doctest.h>

#include <map>

#include "text/text_cases.h"
#include "text/word_cache.h"

namespace cadre::text {
namespace {

// A random vocabulary over the letters a to d; token i is made of two earlier ones.
BpeSpec random_spec(RandomStream& random, int num_merges) {
  BpeSpec spec;
  spec.byte_ids.fill(-1);
  std::vector<std::string> tokens;
  std::map<std::string, int32_t> ids;
  for (char c = 'a'; c <= 'd'; ++c) {
    spec.byte_ids[static_cast<uint8_t>(c)] = static_cast<int32_t>(tokens.size());
    ids[std::string(1, c)] = static_cast<int32_t>(tokens.size());
    tokens.emplace_back(1, c);
  }
  for (int i = 0; i < num_merges; ++i) {
    const auto left = static_cast<int32_t>(random.below(tokens.size()));
    const auto right = static_cast<int32_t>(random.below(tokens.size()));
    const std::string joined = tokens[left] + tokens[right];
    const auto [place, is_new] = ids.emplace(joined, static_cast<int32_t>(tokens.size()));
    if (is_new) tokens.push_back(joined);
    spec.merges.push_back({left, right, place->second});
  }
  return spec;
}

// The definition: look through all pairs, merge the first of lowest rank, begin again.
std::vector<int32_t> encode_slowly(const BpeSpec& spec, std::string_view word) {
  std::map<std::pair<int32_t, int32_t>, std::pair<size_t, int32_t>> merges;
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    merges[{spec.merges[rank].left, spec.merges[rank].right}] = {rank, spec.merges[rank].merged};
  }
  std::vector<int32_t> ids;
  for (char c : word) ids.push_back(spec.byte_ids[static_cast<uint8_t>(c)]);
  while (true) {
    size_t best = ids.size();
    size_t best_rank = spec.merges.size();
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto merge = merges.find({ids[i], ids[i + 1]});
      if (merge == merges.end() || merge->second.first >= best_rank) continue;
      best_rank = merge->second.first;
      best = i;
    }
    if (best == ids.size()) return ids;
    ids[best] = merges[{ids[best], ids[best + 1]}].second;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

std::vector<int32_t> encode(const BpeModel& model, std::string_view word) {
  ModelScratch scratch;
  std::vector<int32_t> ids;
  model.encode(word, scratch, ids);
  return ids;
}

std::string random_word(RandomStream& random, uint64_t size) {
  std::string word;
  const uint64_t letters = 1 + random.below(4);
  while (word.size() < size) word += static_cast<char>('a' + random.below(letters));
  return word;
}

}  // namespace

TEST_CASE("BpeModel: equal to the definition for short and long words") {
  RandomStream random(5);
  for (int i = 0; i < 300; ++i) {
    const BpeSpec spec = random_spec(random, 1 + static_cast<int>(random.below(60)));
    const BpeModel model(spec);
    for (uint64_t size : {1, 2, 3, 10, 47, 48, 49, 50, 200}) {
      const std::string word = random_word(random, size);
      CAPTURE(word);
      CHECK(encode(model, word) == encode_slowly(spec, word));
    }
  }
}

TEST_CASE("BpeModel: a word of one letter, a megabyte long") {
  BpeSpec spec;
  spec.byte_ids.fill(-1);
  spec.byte_ids['a'] = 0;
  for (int32_t i = 0; i < 10; ++i) spec.merges.push_back({i, i, i + 1});  // token i is 2^i letters
  const std::vector<int32_t> ids = encode(BpeModel(spec), std::string(1 << 20, 'a'));
  CHECK(ids == std::vector<int32_t>(1 << 10, 10));
}

TEST_CASE("BpeModel: bytes without token are left out, or unknown, or one unknown for a run") {
  BpeSpec spec;
  spec.byte_ids.fill(-1);
  spec.byte_ids['a'] = 0;
  CHECK(encode(BpeModel(spec), "xayya") == std::vector<int32_t>{0, 0});
  spec.unknown_id = 7;
  CHECK(encode(BpeModel(spec), "xayya") == std::vector<int32_t>{7, 0, 7, 7, 0});
  spec.fuse_unknown = true;
  CHECK(encode(BpeModel(spec), "xayya") == std::vector<int32_t>{7, 0, 7, 0});
}

TEST_CASE("WordCache: never takes one word for another") {
  RandomStream random(6);
  WordCache cache(16);
  std::map<std::string, int32_t> numbers;
  for (int i = 0; i < 50000; ++i) {
    const std::string word = random_word(random, 1 + random.below(WordCache::kMaxBytes));
    const int32_t number =
        numbers.emplace(word, static_cast<int32_t>(numbers.size())).first->second;
    const WordCache::Key key = WordCache::key_of(word);
    bool found = false;
    const auto ids = cache.find(key, found);
    if (found) REQUIRE(ids[0] == number);
    cache.store(key, std::vector<int32_t>{number});
  }
}

}  // namespace cadre::text
