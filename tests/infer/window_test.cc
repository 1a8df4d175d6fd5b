// Sliding windows: keys in pages give the bits of keys end to end, in memory that stops growing.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

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
        CachedText cache(spec, type, 1024);
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

TEST_CASE("window: memory is bounded by the window and the step, not by the sequence") {
  Machine machine;
  for (const int64_t window : {1, 100, 128, 300}) {
    for (const int64_t chunk : {1, 64, 300}) {
      CAPTURE(window);
      CAPTURE(chunk);
      const model::ModelSpec spec = windowed_spec(window, window, 4096);
      const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
      CachedText text(spec, DType::f32, 4096);
      const std::vector<int32_t> tokens = some_tokens(1500);
      int64_t most = 0;
      for (int64_t at = 0; at + chunk <= (chunk == 1 ? 400 : 1500); at += chunk) {
        step(machine, decoder, text,
             std::span(tokens).subspan(static_cast<size_t>(at), static_cast<size_t>(chunk)));
        most = std::max(most, text.cache.usage().in_use);
      }
      // What the next token sees, and the page that it begins or goes on with.
      CHECK(most <= (window - 1 + kTile - 1) / kTile + 1);
    }
  }
}

TEST_CASE("window: a model with a window runs far beyond the pages that it has") {
  Machine machine;
  const model::ModelSpec spec = windowed_spec(40, 90, 4096);
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 5));
  const std::vector<int32_t> tokens = some_tokens(1500);
  const Tensor whole = without_cache(machine, decoder, tokens);
  CachedText text(spec, DType::f32, {.num_tokens = 1 << 20, .step_tokens = 50});
  // Pages for the larger window and a step, and two more.
  CHECK(text.cache.usage().pages == 4);
  CHECK(text.cache.capacity() == 4096);
  for (int64_t at = 0; at < 1500; at += 50) {
    const auto part = std::span(tokens).subspan(static_cast<size_t>(at), 50);
    CHECK(same_rows(step(machine, decoder, text, part), whole, at));
  }
}

TEST_CASE("window: a text with the same beginning shares what is left, or starts again") {
  Machine machine;
  const model::ModelSpec spec = windowed_spec(100, 0, 2048);
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 7));
  const std::vector<int32_t> text = some_tokens(1000);
  for (const int64_t wanted : {999, 980, 700, 400, 100, 0}) {
    CAPTURE(wanted);
    CachedText cache(spec, DType::f32, 2048);
    for (int64_t at = 0; at < 1000; at += 50) {
      step(machine, decoder, cache, std::span(text).subspan(static_cast<size_t>(at), 50));
    }
    std::vector<int32_t> other(text.begin(), text.begin() + wanted);
    for (int32_t i = 0; i < 300; ++i) other.push_back((5 * i + 2) % 60);
    const int64_t found = cache.start_again(machine.ctx, other);
    // Nothing had to make room, so all is still there, pages behind the window too.
    CHECK(found >= wanted);
    const Tensor again =
        step(machine, decoder, cache, std::span(other).subspan(static_cast<size_t>(found)));
    CHECK(same_rows(again, without_cache(machine, decoder, other), found));
  }
}

}  // namespace cadre
