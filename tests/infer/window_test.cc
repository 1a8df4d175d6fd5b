// Sliding windows: keys in a ring give the bits of keys end to end, in memory that stops growing.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "infer/key_value_rows.h"
#include "infer/kv_cache.h"
#include "model/decoder.h"
#include "tests/infer/cached_steps.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

constexpr int64_t kTile = ops::kAttentionTile;

// A tiny model whose first layer has a window and whose second may have another.
model::ModelSpec windowed_spec(int64_t first, int64_t second, int64_t max_positions) {
  model::ModelSpec spec = tiny_spec();
  spec.max_positions = max_positions;
  spec.blocks[0].attention.window = first;
  spec.blocks[1].attention.window = second;
  return spec;
}

std::vector<int32_t> some_tokens(int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((i * i + 7 * i) % 61));
  return tokens;
}

// Cuts of a sequence: of equal size, and of sizes that come round to no tile.
std::vector<std::vector<int64_t>> cuts_of(int64_t length) {
  std::vector<std::vector<int64_t>> cuts;
  for (const int64_t size : {int64_t{1}, int64_t{100}, int64_t{128}, int64_t{333}, length}) {
    cuts.emplace_back();
    for (int64_t at = 0; at < length; at += size) {
      cuts.back().push_back(std::min(size, length - at));
    }
  }
  cuts.emplace_back();
  for (int64_t at = 0, size = 1; at < length; at += cuts.back().back(), size = size * 3 % 301) {
    cuts.back().push_back(std::min(size, length - at));
  }
  return cuts;
}

}  // namespace

TEST_CASE("window: prefill cut anywhere, and decoding, have the bits of a masked whole") {
  const int64_t length = 700;
  const std::vector<int32_t> tokens = some_tokens(length);
  for (const DType type : {DType::f32, DType::bf16}) {
    for (const auto& [first, second] :
         {std::pair<int64_t, int64_t>{1, 0}, {7, 128}, {129, 200}, {300, 5}, {699, 700}}) {
      CAPTURE(dtype_name(type));
      CAPTURE(first);
      CAPTURE(second);
      Machine machine(3);
      const model::ModelSpec spec = windowed_spec(first, second, 1024);
      const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, type, 11));
      const Tensor whole = without_cache(machine, decoder, tokens);
      for (const std::vector<int64_t>& cuts : cuts_of(length)) {
        infer::KvCache cache(spec, type, 1024);
        int64_t begin = 0;
        bool same = true;
        for (const int64_t count : cuts) {
          const auto part =
              std::span(tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
          same = same && same_rows(step(machine, decoder, cache, part), whole, begin);
          begin += count;
        }
        CAPTURE(cuts.front());
        CHECK(same);
      }
    }
  }
}

TEST_CASE("window: up to its width it changes nothing, beyond it does") {
  Machine machine;
  const model::ModelSpec full = windowed_spec(0, 0, 512);
  const model::ModelSpec spec = windowed_spec(60, 60, 512);
  const auto parameters = random_parameters(machine.ctx, full, DType::f32, 3);
  const Tensor a = without_cache(machine, model::Decoder(full, parameters), some_tokens(70));
  const Tensor b = without_cache(machine, model::Decoder(spec, parameters), some_tokens(70));
  CHECK(same_rows(a.slice(0, 60), b, 0));
  CHECK_FALSE(same_rows(a.slice(60, 70), b, 60));
}

TEST_CASE("window: memory is bounded by the window and the largest step, not by the sequence") {
  Machine machine;
  for (const int64_t window : {1, 100, 128, 1000}) {
    for (const int64_t chunk : {1, 64, 300}) {
      CAPTURE(window);
      CAPTURE(chunk);
      infer::KeyValueRows rows(4, window, DType::f32, 1 << 20);
      const Tensor some = machine.ctx.zeros({chunk, 4}, DType::f32);
      for (int64_t length = 0; length < 5000; length += chunk) {
        rows.append(machine.ctx, length, some, some);
      }
      CHECK(rows.capacity() % kTile == 0);
      CHECK(rows.capacity() <= window - 1 + chunk + 2 * kTile);
    }
  }
  infer::KeyValueRows all(4, 0, DType::f32, 5000);
  const Tensor one = machine.ctx.zeros({500, 4}, DType::f32);
  for (int64_t length = 0; length < 5000; length += 500) all.append(machine.ctx, length, one, one);
  CHECK(all.capacity() >= 5000);
  CHECK(all.ring() == 0);
}

TEST_CASE("window: a step larger than those before finds its keys in a larger ring") {
  const std::vector<int32_t> tokens = some_tokens(900);
  Machine machine;
  const model::ModelSpec spec = windowed_spec(40, 90, 1024);
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  const Tensor whole = without_cache(machine, decoder, tokens);
  infer::KvCache cache(spec, DType::f32, 1024);
  int64_t begin = 0;
  for (const int64_t count : {300, 1, 1, 450, 1, 147}) {
    CAPTURE(begin);
    const auto part =
        std::span(tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
    CHECK(same_rows(step(machine, decoder, cache, part), whole, begin));
    begin += count;
  }
}

TEST_CASE("window: going back keeps what the ring still has, else starts again") {
  Machine machine;
  const model::ModelSpec spec = windowed_spec(100, 0, 2048);
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 7));
  const std::vector<int32_t> text = some_tokens(1000);
  bool kept_some = false;
  for (const int64_t wanted : {999, 980, 700, 400, 100, 0}) {
    CAPTURE(wanted);
    infer::KvCache cache(spec, DType::f32, 2048);
    for (int64_t at = 0; at < 1000; at += 50) {
      step(machine, decoder, cache, std::span(text).subspan(static_cast<size_t>(at), 50));
    }
    const int64_t left = cache.truncate(wanted);
    CHECK((left == wanted || left == 0));
    CHECK(cache.length() == left);
    kept_some = kept_some || left > 0;
    std::vector<int32_t> other(text.begin(), text.begin() + left);
    for (int32_t i = 0; i < 300; ++i) other.push_back((5 * i + 2) % 60);
    const Tensor again =
        step(machine, decoder, cache, std::span(other).subspan(static_cast<size_t>(left)));
    CHECK(same_rows(again, without_cache(machine, decoder, other), left));
  }
  CHECK(kept_some);
}

TEST_CASE("window: attention refuses a ring that does not hold what is seen") {
  Machine machine;
  const auto run = [&](int64_t rows, int64_t ring, int64_t queries, int64_t keys, int64_t window) {
    const Tensor q = machine.ctx.zeros({queries, 8}, DType::f32);
    const Tensor k = machine.ctx.zeros({rows, 8}, DType::f32);
    const auto segments = std::make_shared<const std::vector<ops::AttentionSegment>>(
        1, ops::AttentionSegment{0, queries, 0, keys, ring});
    ops::attention(machine.ctx, q, k, k, segments,
                   {.num_heads = 1, .num_kv_heads = 1, .scale = 1.0f, .window = window});
  };
  CHECK_NOTHROW(run(256, 256, 1, 1000, 100));
  CHECK_THROWS_AS(run(256, 256, 1, 1000, 0), Error);    // without a window all are seen
  CHECK_THROWS_AS(run(256, 256, 1, 1000, 400), Error);  // more keys than rows
  CHECK_THROWS_AS(run(256, 256, 200, 1000, 100), Error);
  CHECK_THROWS_AS(run(200, 200, 1, 1000, 10), Error);   // a tile would be cut
  CHECK_THROWS_AS(run(128, 256, 1, 1000, 100), Error);  // rows that are not there
  CHECK_THROWS_AS(run(256, -128, 1, 1000, 100), Error);
}

}  // namespace cadre
