// Families with golden cases, decoding with a cache: text of the reference, and the bits of the
// whole however it is cut.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "infer/generator.h"
#include "infer/kv_cache.h"
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
        infer::KvCache cache(decoder.spec(), type, 64);
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

TEST_CASE("families: after going back another continuation has the bits of a fresh start") {
  for (const std::string& name : all_cases()) {
    CAPTURE(name);
    Machine machine;
    const GoldenCase golden(name);
    const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
    const model::Decoder& decoder = *loaded.decoder;
    const std::vector<int32_t> text = some_tokens(40, decoder.spec().vocab_size);
    for (const int64_t kept : {0, 1, 7, 39, 40}) {
      CAPTURE(kept);
      std::vector<int32_t> other(text.begin(), text.begin() + kept);
      for (int32_t i = 0; i < 9; ++i) other.push_back((5 * i + 2) % 30);
      infer::KvCache cache(decoder.spec(), DType::f32, 64);
      step(machine, decoder, cache, text);
      // A ring of keys may have gone over what the kept ones would see.
      const int64_t left = cache.truncate(kept);
      REQUIRE((left == kept || left == 0));
      const Tensor again =
          step(machine, decoder, cache, std::span(other).subspan(static_cast<size_t>(left)));
      CHECK(same_rows(again, without_cache(machine, decoder, other), left));
    }
  }
}

TEST_CASE("families: a step that failed leaves nothing behind once the cache has gone back") {
  for (const std::string& name : {std::string("arctic/parallel"), std::string("yuan/m32")}) {
    CAPTURE(name);
    Machine machine;
    const GoldenCase golden(name);
    const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
    const model::Decoder& decoder = *loaded.decoder;
    const std::vector<int32_t> text = some_tokens(20, decoder.spec().vocab_size);
    infer::KvCache cache(decoder.spec(), DType::f32, 64);
    step(machine, decoder, cache, std::span(text).first(12));
    // The first layer has seen the tokens of this step, the second has not.
    cache.begin_step(5);
    const model::AttentionSpec& attention = decoder.spec().blocks.front().attention;
    const Tensor rows =
        machine.ctx.zeros({5, attention.num_kv_heads * attention.head_dim}, DType::f32);
    cache.extend(machine.ctx, 0, rows, rows);
    if (attention.filter) {
      cache.keep_filter_rows(machine.ctx, 0,
                             {machine.ctx.zeros({5, decoder.spec().hidden_size}, DType::f32),
                              machine.ctx.zeros({5, attention.filter->inner_size}, DType::f32)});
    }
    REQUIRE(cache.truncate(12) == 12);
    const Tensor rest = step(machine, decoder, cache, std::span(text).subspan(12));
    CHECK(same_rows(rest, without_cache(machine, decoder, text), 12));
  }
}

}  // namespace cadre
