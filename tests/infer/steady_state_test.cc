// Once a text is being written, a token asks the system for no memory.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "infer/engine.h"
#include "model/stored_model.h"
#include "tests/infer/allocation_counter.h"
#include "tests/infer/small_models.h"
#include "tests/model/machine.h"

namespace cadre {
namespace {

using infer::Engine;
using infer::EngineOptions;
using infer::Event;
using infer::Request;

// A greedy text, one of the likeliest tokens, and one that looks at what was written before.
std::vector<Request> three_requests(int64_t max_tokens) {
  std::vector<Request> requests(3);
  for (size_t i = 0; i < requests.size(); ++i) {
    for (size_t t = 0; t < 20 + 60 * i; ++t) {
      requests[i].prompt.push_back(static_cast<int32_t>((7 * t + 13 * i + t * t) % 61));
    }
    requests[i].text.max_tokens = max_tokens;
    requests[i].text.sampler.seed = static_cast<int64_t>(i);
  }
  requests[0].text.sampler.temperature = 0.0;
  infer::SamplerOptions& likely = requests[1].text.sampler;
  likely.temperature = 1.0;
  likely.top_k = 20;
  likely.top_p = 0.9;
  infer::SamplerOptions& changed = requests[2].text.sampler;
  changed.temperature = 0.9;
  changed.min_p = 0.05;
  changed.typical_p = 0.95;
  changed.repeat_penalty = 1.1;
  changed.frequency_penalty = 0.1;
  return requests;
}

struct Growth {
  int64_t tokens = 0;
  int64_t calls = 0;         // of operator new
  int64_t heap_bytes = 0;    // of the process
  int64_t tensor_bytes = 0;  // held by the allocator of tensors
};

// What `measured` passes over all texts need beyond what those before them needed.
Growth growth_of(Machine& machine, const model::Decoder& decoder, const EngineOptions& options,
                 int64_t measured = 300) {
  constexpr int64_t kWarmUp = 40;
  Engine engine(decoder, options);
  for (const Request& request : three_requests(kWarmUp + measured + 20)) engine.submit(request);
  // What a step brought.
  int64_t finished = 0, tokens = 0;
  const auto step = [&] {
    tokens = 0;
    for (const Event& event : engine.step(machine.ctx)) {
      (event.finished ? finished : tokens) += 1;
    }
  };
  for (int64_t i = 0; i < kWarmUp; ++i) step();
  REQUIRE(tokens == 3);
  Growth growth;
  const int64_t heap_before = heap_bytes();
  const int64_t held_before = machine.ctx.allocator().held_bytes();
  {
    const AllocationCounter counter;
    for (int64_t i = 0; i < measured; ++i) {
      step();
      growth.tokens += tokens;
    }
    growth.calls = counter.calls();
  }
  growth.heap_bytes = heap_bytes() - heap_before;
  growth.tensor_bytes = machine.ctx.allocator().held_bytes() - held_before;
  CHECK(finished == 0);
  CHECK(growth.tokens == 3 * measured);
  return growth;
}

void check_no_growth(const Growth& growth) {
  const double per_token =
      static_cast<double>(growth.calls) / static_cast<double>(std::max<int64_t>(1, growth.tokens));
  CAPTURE(per_token);
  CHECK(growth.calls == 0);
  CHECK(growth.heap_bytes <= 0);
  CHECK(growth.tensor_bytes == 0);
}

// Routers with a selection bias, groups of experts and a shared expert, as DeepSeek-V3 has them.
model::ModelSpec grouped_spec() {
  model::ModelSpec spec = tiny_spec(8, 2);
  spec.max_positions = 1024;
  for (model::BlockSpec& block : spec.blocks) {
    auto& moe = std::get<model::MoeSpec>(block.feed_forward);
    moe.router.scoring = ops::Scoring::sigmoid;
    moe.router.renormalise = true;
    moe.router.choice =
        ops::TokenChoice{.selection_bias = true, .groups = {.num_groups = 4, .top_groups = 2}};
    moe.shared = {.intermediate_size = 16, .sigmoid_gate = true};
  }
  return spec;
}

std::vector<NamedSpec> all_specs() {
  std::vector<NamedSpec> specs = small_models();
  specs.push_back({"groups and a shared expert", grouped_spec()});
  model::ModelSpec dense = tiny_spec();
  dense.max_positions = 1024;
  for (model::BlockSpec& block : dense.blocks) {
    block.feed_forward = model::MlpSpec{.intermediate_size = 24};
  }
  specs.push_back({"dense", dense});
  return specs;
}

// Rows of whole blocks of 256 values.
model::ModelSpec wide_spec() {
  model::ModelSpec spec = tiny_spec();
  spec.max_positions = 1024;
  spec.hidden_size = 256;
  spec.initializer_range = 0.05;
  for (model::BlockSpec& block : spec.blocks) {
    block.attention.head_dim = 64;
    std::get<model::MoeSpec>(block.feed_forward).expert.intermediate_size = 256;
  }
  return spec;
}

}  // namespace

TEST_CASE("steady state: a token of any family allocates nothing") {
  for (const NamedSpec& model : all_specs()) {
    for (const DType type : {DType::f32, DType::bf16}) {
      for (const int threads : {1, 2}) {
        CAPTURE(model.name);
        CAPTURE(dtype_name(type));
        CAPTURE(threads);
        Machine machine(threads);
        const model::Decoder decoder(model.spec,
                                     random_parameters(machine.ctx, model.spec, type, 3));
        check_no_growth(growth_of(machine, decoder, {.max_sequences = 3, .cache_tokens = 4096}));
      }
    }
  }
}

TEST_CASE("steady state: nor does one of a packed model, or with an 8-bit cache") {
  for (const PackedFormat format : {PackedFormat::q8_0, PackedFormat::q4_k}) {
    for (const char* cache : {"auto", "int8"}) {
      for (const int threads : {1, 2}) {
        CAPTURE(packed_format_name(format));
        CAPTURE(cache);
        CAPTURE(threads);
        Machine machine(threads);
        const model::LoadedModel loaded = model::random_model(
            machine.ctx, wide_spec(),
            {.compute = DType::bf16, .format = model::WeightFormat::packed, .packed = format}, 5);
        check_no_growth(growth_of(machine, *loaded.decoder,
                                  {.max_sequences = 3, .cache_tokens = 4096, .cache_type = cache},
                                  150));
      }
    }
  }
}

TEST_CASE("steady state: nor does one beyond the context, with attention sinks") {
  for (NamedSpec& model : small_models()) {
    CAPTURE(model.name);
    model.spec.max_positions = 128;
    Machine machine;
    const model::Decoder decoder(model.spec,
                                 random_parameters(machine.ctx, model.spec, DType::f32, 3));
    check_no_growth(
        growth_of(machine, decoder, {.max_sequences = 3, .attention_window = 100, .sinks = 4}));
  }
}

TEST_CASE("steady state: nor do guesses of a draft model") {
  Machine machine;
  const model::ModelSpec spec = small_models().front().spec;
  const model::Decoder decoder(spec, random_parameters(machine.ctx, spec, DType::f32, 3));
  // The model that drafts for itself is always right, so passes are of one size.
  Engine engine(decoder, {.max_sequences = 1, .cache_tokens = 2048}, &decoder);
  engine.submit(three_requests(900).front());
  for (int i = 0; i < 20; ++i) engine.step(machine.ctx);
  const infer::EngineStatistics before = engine.statistics();
  {
    const AllocationCounter counter;
    for (int i = 0; i < 100; ++i) engine.step(machine.ctx);
    CHECK(counter.calls() == 0);
  }
  const infer::EngineStatistics after = engine.statistics();
  CHECK(after.running == 1);
  CHECK(after.new_tokens - before.new_tokens == 5 * 100);
}

}  // namespace cadre
