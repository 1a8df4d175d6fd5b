#include "model/cost.h"

#include <doctest/doctest.h>

#include "model/families/olmoe.h"
#include "model/hf.h"
#include "model/parameters.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

model::ModelSpec olmoe_1b_7b() {
  const model::BlockSpec block = {
      .attention = {.num_heads = 16,
                    .num_kv_heads = 16,
                    .head_dim = 128,
                    .rope = {.theta = 10000.0},
                    .qk_norm = model::QkNorm::full_width},
      .feed_forward = model::MoeSpec{.router = {.num_experts = 64, .top_k = 8},
                                     .expert = {.intermediate_size = 1024}},
  };
  model::ModelSpec spec;
  spec.architecture = "OlmoeForCausalLM";
  spec.vocab_size = 50304;
  spec.hidden_size = 2048;
  spec.max_positions = 4096;
  spec.blocks.assign(16, block);
  return spec;
}

}  // namespace

TEST_CASE("cost: OLMoE-1B-7B has its published parameters, operations and cache") {
  const model::ModelCost cost = model::cost(olmoe_1b_7b());
  CHECK(cost.total_parameters == 6919161856);
  CHECK(cost.active_parameters == 1282017280);
  CHECK(cost.forward_flops_per_token == doctest::Approx(2.56e9).epsilon(0.005));
  CHECK(cost.training_flops_per_token == doctest::Approx(7.69e9).epsilon(0.005));
  CHECK(cost.kv_cache_bytes_per_token == 131072);
  CHECK(model::stored_bytes(olmoe_1b_7b(), DType::bf16) == 2 * 6919161856);
}

TEST_CASE("cost: attention counts the keys that a query sees") {
  model::ModelSpec spec = tiny_spec();
  // Position t sees t + 1 keys: the mean over 4 positions is 2.5.
  CHECK(model::attention_flops_per_token(spec, 4) == doctest::Approx(2 * 4.0 * 32 * 2.5));
  for (model::BlockSpec& block : spec.blocks) block.attention.window = 2;
  CHECK(model::attention_flops_per_token(spec, 4) == doctest::Approx(2 * 4.0 * 32 * 1.75));
}

TEST_CASE("cost: with all experts active nothing is left over") {
  const model::ModelCost cost = model::cost(tiny_spec(3, 3));
  CHECK(cost.total_parameters == cost.active_parameters);
}

TEST_CASE("names: every element of every parameter has exactly one place in a file") {
  for (const model::NameLayout& layout : model::kOlmoe.layouts) {
    const std::vector<model::ParameterSpec> list = model::parameter_list(tiny_spec());
    std::vector<std::vector<int>> covered;
    for (const model::ParameterSpec& parameter : list) {
      covered.emplace_back(static_cast<size_t>(parameter.shape.elements()), 0);
    }
    for (const model::FilePart& part : model::file_parts(layout, tiny_spec(), list)) {
      for (int64_t i = 0; i < part.elements; ++i) {
        ++covered[static_cast<size_t>(part.parameter)][static_cast<size_t>(part.offset + i)];
      }
    }
    for (const std::vector<int>& counts : covered) {
      for (const int count : counts) REQUIRE(count == 1);
    }
  }
}

}  // namespace cadre
