// Families with golden cases, decoding with a cache: text of the reference, and the bits of the
// whole however it is cut.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "infer/generator.h"
#include "model/hf.h"
#include "tests/infer/cached_steps.h"
#include "tests/model/family_golden.h"

namespace cadre {
namespace {

std::vector<std::string> all_cases() {
  std::vector<std::string> cases = arctic_cases();
  const std::vector<std::string> more = yuan_cases();
  cases.insert(cases.end(), more.begin(), more.end());
  for (const std::string& name : transformers_cases()) cases.push_back(name);
  return cases;
}

std::vector<int32_t> some_tokens(int64_t count, int64_t vocab_size) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>((i * i + 7 * i + 3) % vocab_size));
  }
  return tokens;
}

}  // namespace

TEST_CASE("families: greedy text is that of the reference") {
  for (const std::string& name : all_cases()) {
    CAPTURE(name);
    const GoldenCase golden(name);
    Machine machine;
    const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
    const auto expected = golden.expected("greedy.tokens").span<int32_t>();
    for (const int64_t chunk : {1, 3, 512}) {
      infer::GenerateOptions options;
      options.sampler.temperature = 0.0;
      options.max_tokens = static_cast<int64_t>(expected.size());
      options.prefill_chunk = chunk;
      const auto result =
          infer::generate(machine.ctx, *loaded.decoder,
                          golden.expected("greedy.prompt").span<int32_t>(), options, {});
      CHECK(std::ranges::equal(result.tokens, expected));
    }
  }
}

TEST_CASE("families: prefill cut anywhere, and decoding, have the bits of the whole") {
  for (const std::string& name : all_cases()) {
    for (const DType type : {DType::f32, DType::bf16}) {
      CAPTURE(name);
      CAPTURE(dtype_name(type));
      Machine machine(3);
      const GoldenCase golden(name);
      const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), type);
      const model::Decoder& decoder = *loaded.decoder;
      const int64_t length = 48;
      const std::vector<int32_t> tokens = some_tokens(length, decoder.spec().vocab_size);
      const Tensor whole = without_cache(machine, decoder, tokens);
      for (const std::vector<int64_t>& cuts : {std::vector<int64_t>{48},
                                               {1, 47},
                                               {47, 1},
                                               {2, 1, 1, 20, 24},
                                               {17, 31},
                                               std::vector<int64_t>(48, 1)}) {
        CachedText cache(decoder.spec(), type, 64);
        int64_t begin = 0;
        for (const int64_t count : cuts) {
          CAPTURE(begin);
          CAPTURE(count);
          const auto part =
              std::span(tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
          CHECK(same_rows(step(machine, decoder, cache, part), whole, begin));
          begin += count;
        }
      }
    }
  }
}

TEST_CASE("families: another text with the same beginning has the bits of a fresh start") {
  for (const std::string& name : all_cases()) {
    CAPTURE(name);
    Machine machine;
    const GoldenCase golden(name);
    const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
    const model::Decoder& decoder = *loaded.decoder;
    const bool filters = decoder.spec().blocks.front().attention.filter.has_value();
    const std::vector<int32_t> text = some_tokens(40, decoder.spec().vocab_size);
    for (const int64_t kept : {0, 1, 7, 39, 40}) {
      CAPTURE(kept);
      std::vector<int32_t> other(text.begin(), text.begin() + kept);
      for (int32_t i = 0; i < 9; ++i) other.push_back((5 * i + 2) % 30);
      CachedText cache(decoder.spec(), DType::f32, 512);
      step(machine, decoder, cache, text);
      // The filters' rows are known at the end of a text alone.
      const int64_t found = cache.start_again(machine.ctx, other);
      CHECK(found == (filters && kept < 40 ? 0 : kept));
      const Tensor again =
          step(machine, decoder, cache, std::span(other).subspan(static_cast<size_t>(found)));
      CHECK(same_rows(again, without_cache(machine, decoder, other), found));
    }
  }
}

TEST_CASE("families: tokens that are taken back after a pass leave nothing behind") {
  for (const std::string& name : all_cases()) {
    for (const DType type : {DType::f32, DType::bf16}) {
      CAPTURE(name);
      Machine machine;
      const GoldenCase golden(name);
      const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), type);
      const model::Decoder& decoder = *loaded.decoder;
      const int64_t length = 48;
      const std::vector<int32_t> text = some_tokens(length, decoder.spec().vocab_size);
      const Tensor whole = without_cache(machine, decoder, text);
      CachedText cache(decoder.spec(), type, 512);
      for (int64_t round = 0; cache.length() < length; ++round) {
        // Right tokens, then wrong ones.
        const int64_t right = std::min(1 + round % 4, length - cache.length());
        const auto next = text.begin() + cache.length();
        std::vector<int32_t> tokens(next, next + right);
        for (int32_t i = 0; i < round % 3; ++i) tokens.push_back((7 * i + 5) % 30);
        const int64_t begin = cache.length();
        const Tensor found = step(machine, decoder, cache, tokens, round % 3);
        CHECK(same_rows(found.slice(0, right), whole, begin));
      }
    }
  }
}

TEST_CASE("families: a pass that failed leaves nothing behind once its sequence is given up") {
  for (const std::string& name : {std::string("arctic/parallel"), std::string("yuan/m32")}) {
    CAPTURE(name);
    Machine machine;
    const GoldenCase golden(name);
    const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
    const model::Decoder& decoder = *loaded.decoder;
    const std::vector<int32_t> text = some_tokens(20, decoder.spec().vocab_size);
    CachedText cache(decoder.spec(), DType::f32, 512);
    step(machine, decoder, cache, std::span(text).first(12));
    // The first layer has seen the tokens of this step, the second has not.
    cache.cache.reserve(machine.ctx, cache.sequence, 5);
    infer::CacheStep pass(cache.cache);
    pass.add(cache.sequence, 5);
    const model::AttentionSpec& attention = decoder.spec().blocks.front().attention;
    const Tensor rows =
        machine.ctx.zeros({5, attention.num_kv_heads * attention.head_dim}, DType::f32);
    pass.extend(machine.ctx, 0, rows, rows);
    if (attention.filter) {
      pass.keep_filter_rows(machine.ctx, 0,
                            {machine.ctx.zeros({5, decoder.spec().hidden_size}, DType::f32),
                             machine.ctx.zeros({5, attention.filter->inner_size}, DType::f32)});
    }
    cache.cache.abandon(cache.sequence);
    cache.tokens.clear();
    CHECK(cache.cache.usage().in_use == 0);
    const int64_t found = cache.start_again(machine.ctx, text);
    const Tensor rest =
        step(machine, decoder, cache, std::span(text).subspan(static_cast<size_t>(found)));
    CHECK(same_rows(rest, without_cache(machine, decoder, text), found));
  }
}

}  // namespace cadre
