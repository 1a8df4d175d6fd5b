// Properties of whole passes that hold whatever the weights.
#include "model/decoder.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

std::vector<int32_t> some_tokens(int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((i * i + 7 * i) % 61));
  return tokens;
}

bool same_bits(const void* a, const void* b, int64_t bytes) {
  return std::memcmp(a, b, static_cast<size_t>(bytes)) == 0;
}

}  // namespace

TEST_CASE("decoder: a sequence gets the same bits alone and packed among others") {
  for (const DType compute : {DType::f32, DType::bf16}) {
    Machine machine;
    const model::Decoder decoder(tiny_spec(),
                                 random_parameters(machine.ctx, tiny_spec(), compute, 1));
    const std::vector<int32_t> tokens = some_tokens(200);
    const std::vector<int64_t> starts = {0, 70, 71};
    const Tensor together =
        decoder.hidden(machine.ctx, model::packed_input(tokens, starts), nullptr);
    for (size_t s = 0; s < starts.size(); ++s) {
      const int64_t end = s + 1 < starts.size() ? starts[s + 1] : 200;
      const std::vector<int64_t> only = {0};
      const Tensor alone = decoder.hidden(
          machine.ctx,
          model::packed_input({tokens.begin() + starts[s], tokens.begin() + end}, only), nullptr);
      CHECK(same_bits(alone.raw(), together.slice(starts[s], end).raw(), alone.bytes()));
    }
  }
}

TEST_CASE("decoder: later tokens do not change earlier outputs") {
  Machine machine;
  const model::Decoder decoder(tiny_spec(),
                               random_parameters(machine.ctx, tiny_spec(), DType::f32, 1));
  std::vector<int32_t> tokens = some_tokens(150);
  const std::vector<int64_t> starts = {0};
  const Tensor before = decoder.hidden(machine.ctx, model::packed_input(tokens, starts), nullptr);
  for (size_t i = 100; i < tokens.size(); ++i) tokens[i] = (tokens[i] + 5) % 61;
  const Tensor after = decoder.hidden(machine.ctx, model::packed_input(tokens, starts), nullptr);
  CHECK(same_bits(before.raw(), after.raw(), before.bytes() / 150 * 100));
  CHECK_FALSE(same_bits(before.raw(), after.raw(), before.bytes()));
}

TEST_CASE("decoder: permuting experts together with router rows changes nothing but names") {
  Machine machine;
  const model::ModelSpec spec = tiny_spec();
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 2);
  const auto permuted = random_parameters(machine.ctx, spec, DType::f32, 2);
  for (const char* name :
       {"blocks.0.router", "blocks.0.experts.gate_up", "blocks.0.experts.down"}) {
    const Tensor& from = parameters->tensor(name);
    const Tensor& to = permuted->tensor(name);
    for (int64_t e = 0; e < 6; ++e) {
      const int64_t target = (e + 2) % 6;
      std::memcpy(to.slice(target, target + 1).raw(), from.slice(e, e + 1).raw(),
                  static_cast<size_t>(from.bytes() / 6));
    }
  }
  const std::vector<int64_t> starts = {0};
  const auto input = model::packed_input(some_tokens(90), starts);
  const Tensor a = model::Decoder(spec, parameters).hidden(machine.ctx, input, nullptr);
  const Tensor b = model::Decoder(spec, permuted).hidden(machine.ctx, input, nullptr);
  for (int64_t i = 0; i < a.elements(); ++i) {
    REQUIRE(a.data<float>()[i] == doctest::Approx(b.data<float>()[i]).epsilon(1e-4));
  }
}

}  // namespace cadre
