// The cache without a model: what is written at a place tells all tokens up to there, so a page
// that holds anything else than its sequence's own past shows at once.
#include "infer/paged_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/base/random.h"
#include "infer/cache_step.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre::infer {
namespace {

constexpr int64_t kTile = ops::kAttentionTile;
constexpr int64_t kInner = 5;

model::ModelSpec spec_of(const std::vector<int64_t>& windows, bool filter) {
  model::ModelSpec spec = tiny_spec();
  spec.max_positions = 4096;
  spec.blocks.resize(windows.size(), spec.blocks.front());
  for (size_t layer = 0; layer < windows.size(); ++layer) {
    spec.blocks[layer].attention.window = windows[layer];
    if (filter) spec.blocks[layer].attention.filter = model::LocalFilterSpec{.inner_size = kInner};
  }
  return spec;
}

// What stands for the tokens up to a place, in a layer.
float fingerprint(std::span<const int32_t> tokens, int64_t position, int64_t layer) {
  uint64_t hash = static_cast<uint64_t>(layer) + 77;
  for (int64_t i = 0; i <= position; ++i) {
    hash = mix_bits(hash ^ static_cast<uint64_t>(tokens[static_cast<size_t>(i)]));
  }
  return static_cast<float>(hash >> 40);
}

struct Text {
  CacheSequence sequence;
  std::vector<int32_t> tokens;  // in the cache
};

struct World {
  World(const model::ModelSpec& the_spec, const CacheOptions& options)
      : spec(the_spec), cache(spec, DType::f32, options) {}

  Tensor rows(int64_t width, std::span<const int32_t> tokens, int64_t begin, int64_t layer) {
    const auto count = static_cast<int64_t>(tokens.size()) - begin;
    const Tensor x = machine.ctx.empty({count, width}, DType::f32);
    for (int64_t i = 0; i < count; ++i) {
      std::fill_n(x.data<float>() + i * width, width, fingerprint(tokens, begin + i, layer));
    }
    return x;
  }

  // One pass over `more` tokens of which `refused` are taken back.
  void extend(Text& text, std::vector<int32_t> more, int64_t refused) {
    const auto count = static_cast<int64_t>(more.size());
    cache.reserve(machine.ctx, text.sequence, count);
    CacheStep pass(cache);
    pass.add(text.sequence, count, refused > 0);
    std::vector<int32_t> all = text.tokens;
    all.insert(all.end(), more.begin(), more.end());
    const int64_t begin = text.sequence.length;
    for (int64_t layer = 0; layer < cache.num_layers(); ++layer) {
      if (cache.has_filters()) {
        check_filter(text, pass, layer);
        pass.keep_filter_rows(
            machine.ctx, layer,
            {rows(spec.hidden_size, all, begin, layer), rows(kInner, all, begin, layer)});
      }
      const Tensor keys = rows(16, all, begin, layer);
      pass.extend(machine.ctx, layer, keys, keys);
    }
    pass.shorten(0, count - refused);
    all.resize(all.size() - static_cast<size_t>(refused));
    text.tokens = all;
    cache.commit(text.sequence, text.tokens);
  }

  void check_filter(const Text& text, CacheStep& pass, int64_t layer) {
    const ops::LocalFilterRows before = pass.filter_rows_before(machine.ctx, layer);
    const int64_t length = text.sequence.length;
    const float expected = length == 0 ? 0.0f : fingerprint(text.tokens, length - 1, layer);
    REQUIRE(before.hidden.data<float>()[spec.hidden_size - 1] == expected);
    REQUIRE(before.inner.data<float>()[0] == expected);
  }

  // All that the next token would see is the text's own past.
  void check(const Text& text) {
    REQUIRE(text.sequence.length == std::ssize(text.tokens));
    for (int64_t layer = 0; layer < cache.num_layers(); ++layer) {
      const int64_t window = spec.blocks[static_cast<size_t>(layer)].attention.window;
      const int64_t length = text.sequence.length;
      const int64_t first = window > 0 ? std::max<int64_t>(0, length + 1 - window) : 0;
      const Tensor& keys = cache.layer(layer).pages().keys;
      for (int64_t p = first; p < length; p += p + 9 < length ? 7 : 1) {
        const int32_t page =
            text.sequence.tables[cache.group_of(layer)][static_cast<size_t>(p / kTile)];
        REQUIRE(page >= 0);
        const float found = keys.data<float>()[(page * 2 * kTile + p % kTile) * 8];
        REQUIRE(found == fingerprint(text.tokens, p, layer));
      }
    }
  }

  Machine machine;
  model::ModelSpec spec;
  PagedCache cache;
};

// Texts that begin alike and part now and then.
std::vector<int32_t> some_text(RandomStream& random) {
  std::vector<int32_t> tokens(1 + random.below(500), 0);
  for (int32_t& token : tokens) token = random.below(200) == 0 ? 1 : 0;
  return tokens;
}

// Returns how many tokens were found instead of written.
int64_t run_random(World& world, uint64_t seed, int steps) {
  RandomStream random(seed);
  PagedCache& cache = world.cache;
  std::vector<Text> texts;
  int64_t shared = 0;
  for (int step = 0; step < steps; ++step) {
    const uint64_t kind = random.below(10);
    if (texts.empty() || (kind == 0 && texts.size() < 6)) {
      Text text = {cache.make_sequence(), {}};
      const std::vector<int32_t> wanted = some_text(random);
      const int64_t promised = cache.reusable(wanted);
      const int64_t found = cache.attach(world.machine.ctx, text.sequence, wanted);
      CHECK(found <= promised);
      CHECK(found < std::ssize(wanted));
      shared += found;
      text.tokens.assign(wanted.begin(), wanted.begin() + found);
      texts.push_back(std::move(text));
      world.check(texts.back());
      continue;
    }
    const auto index = static_cast<size_t>(random.below(texts.size()));
    Text& text = texts[index];
    if (kind == 3 && text.sequence.length % kTile == 0) {
      // What others have written meanwhile.
      const std::vector<int32_t> more = some_text(random);
      std::vector<int32_t> wanted = text.tokens;
      wanted.insert(wanted.end(), more.begin(), more.end());
      const int64_t found = cache.attach(world.machine.ctx, text.sequence, wanted);
      REQUIRE(found >= 0);
      CHECK(found < std::ssize(more));
      shared += found;
      text.tokens.assign(wanted.begin(), wanted.begin() + text.sequence.length);
      world.check(text);
    }
    if (kind == 1 || text.tokens.size() > 900) {
      if (random.below(4) == 0) {
        cache.abandon(text.sequence);
      } else {
        cache.release(text.sequence, text.tokens);
      }
      texts.erase(texts.begin() + static_cast<std::ptrdiff_t>(index));
    } else if (kind == 2 && texts.size() < 6) {
      Text copy = {cache.fork(text.sequence), text.tokens};
      texts.push_back(std::move(copy));
    } else {
      const auto wanted = static_cast<int64_t>(1 + random.below(random.below(3) == 0 ? 300 : 4));
      const int64_t room = cache.extendable(text.sequence, wanted);
      if (room == 0) continue;
      std::vector<int32_t> more(static_cast<size_t>(room), 0);
      for (int32_t& token : more) token = random.below(100) == 0 ? 1 : 0;
      world.extend(text, more, room > 1 && random.below(2) == 0 ? 1 + random.below(room - 1) : 0);
    }
    for (const Text& each : texts) world.check(each);
    std::set<int32_t> pages;
    for (const Text& each : texts) {
      for (const int32_t page : each.sequence.tables[0]) {
        if (page >= 0) pages.insert(page);
      }
    }
    if (cache.num_groups() == 1) REQUIRE(cache.usage().in_use == std::ssize(pages));
  }
  for (Text& text : texts) cache.release(text.sequence, text.tokens);
  CHECK(cache.usage().in_use == 0);
  return shared;
}

}  // namespace

TEST_CASE("paged cache: whatever happens, a sequence finds its own past") {
  for (const bool filter : {false, true}) {
    for (const std::vector<int64_t>& windows : {std::vector<int64_t>{0}, {0, 150}, {90, 200, 90}}) {
      int64_t shared = 0;
      for (const int64_t pages : {6, 12, 60}) {
        CAPTURE(filter);
        CAPTURE(windows.size());
        CAPTURE(pages);
        World world(spec_of(windows, filter),
                    {.num_tokens = pages * kTile, .max_sequences = 6, .step_tokens = 300});
        shared += run_random(world, static_cast<uint64_t>(pages), 120);
      }
      CHECK(shared > 0);
    }
  }
}

TEST_CASE("paged cache: the beginning in common is found, the rest of its page by copy") {
  World world(spec_of({0, 0}, false), {.num_tokens = 20 * kTile});
  Text text = {world.cache.make_sequence(), {}};
  std::vector<int32_t> tokens(300, 5);
  world.extend(text, tokens, 0);
  world.cache.release(text.sequence, text.tokens);
  CHECK(world.cache.usage().kept == 3);
  for (const int64_t common : {0, 50, 127, 128, 129, 255, 256, 257, 299, 300}) {
    CAPTURE(common);
    std::vector<int32_t> other(400, 6);
    std::fill_n(other.begin(), common, 5);
    CHECK(world.cache.reusable(other) == common);
  }
  // The last token always runs.
  CHECK(world.cache.reusable(tokens) == 299);
  CHECK(world.cache.reusable(std::span(tokens).first(256)) == 255);
  CHECK(world.cache.reusable(std::span(tokens).first(1)) == 0);
  CHECK(world.cache.reusable({}) == 0);
}

TEST_CASE("paged cache: where there is no page for a copy, the pages before it are found") {
  World world(spec_of({0}, false), {.num_tokens = 3 * kTile});
  Text text = {world.cache.make_sequence(), {}};
  world.extend(text, std::vector<int32_t>(300, 5), 0);
  world.cache.release(text.sequence, text.tokens);
  const std::vector<int32_t> tokens(290, 5);
  CHECK(world.cache.reusable(tokens) == 289);
  Text other = {world.cache.make_sequence(), {}};
  CHECK(world.cache.attach(world.machine.ctx, other.sequence, tokens) == 256);
  other.tokens.assign(256, 5);
  world.check(other);
  world.extend(other, std::vector<int32_t>(34, 5), 0);
  world.check(other);
}

TEST_CASE("paged cache: what another has written since is found at the border of a page") {
  for (const bool filter : {false, true}) {
    World world(spec_of({0, 60}, filter), {.num_tokens = 20 * kTile, .max_sequences = 3});
    const std::vector<int32_t> tokens(500, 5);
    Text a = {world.cache.make_sequence(), {}};
    Text b = {world.cache.make_sequence(), {}};
    world.extend(a, std::vector<int32_t>(100, 5), 0);
    // Both would read the first page; a is at it.
    CHECK(world.cache.reads_page_of(a.sequence, tokens, b.sequence, tokens));
    CHECK_FALSE(
        world.cache.reads_page_of(a.sequence, tokens, b.sequence, std::span(tokens).first(128)));
    CHECK_FALSE(
        world.cache.reads_page_of(a.sequence, std::span(tokens).first(127), b.sequence, tokens));
    CHECK_FALSE(world.cache.reads_page_of(b.sequence, tokens, a.sequence, tokens));
    world.extend(a, std::vector<int32_t>(170, 5), 0);
    CHECK_FALSE(world.cache.reads_page_of(a.sequence, tokens, b.sequence, tokens));
    CHECK(world.cache.attach(world.machine.ctx, b.sequence, tokens) == 256);
    b.tokens.assign(256, 5);
    world.check(b);
    CHECK(world.cache.reads_page_of(a.sequence, tokens, b.sequence, tokens));
    world.extend(a, std::vector<int32_t>(200, 5), 0);
    // 470 tokens are three full pages; the fourth is not known before it is full.
    CHECK(world.cache.attach(world.machine.ctx, b.sequence, tokens) == 128);
    CHECK(world.cache.attach(world.machine.ctx, b.sequence, tokens) == 0);
    b.tokens.assign(384, 5);
    world.check(b);
    world.extend(b, std::vector<int32_t>(1, 5), 0);
    CHECK(world.cache.attach(world.machine.ctx, b.sequence, tokens) == 0);  // within a page
  }
}

TEST_CASE("paged cache: two that compute the same end with the same pages") {
  World world(spec_of({0}, false), {.num_tokens = 20 * kTile});
  Text a = {world.cache.make_sequence(), {}};
  Text b = {world.cache.make_sequence(), {}};
  const std::vector<int32_t> tokens(260, 5);
  world.extend(a, tokens, 0);
  CHECK(world.cache.usage().in_use == 3);
  world.extend(b, tokens, 0);
  // Two full pages are one, each has a last one of its own.
  CHECK(world.cache.usage().in_use == 4);
  CHECK(a.sequence.tables[0][1] == b.sequence.tables[0][1]);
  world.check(a);
  world.check(b);
}

TEST_CASE("paged cache: without sharing nothing is kept") {
  World world(spec_of({0}, true), {.num_tokens = 20 * kTile, .share_prefixes = false});
  Text text = {world.cache.make_sequence(), {}};
  world.extend(text, std::vector<int32_t>(300, 5), 0);
  world.cache.release(text.sequence, text.tokens);
  CHECK(world.cache.usage().kept == 0);
  CHECK(world.cache.reusable(std::vector<int32_t>(300, 5)) == 0);
}

}  // namespace cadre::infer
