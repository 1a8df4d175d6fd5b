// Routing at run time: fewer experts, and who sees which.
#include "model/nn/routing_control.h"

#include <doctest/doctest.h>

#include <vector>

#include "model/stored_model.h"
#include "tests/expect_error.h"
#include "tests/model/gguf_case.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

using nn::RoutingControl;

const std::vector<int32_t> kTokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3};

nn::ForwardInput input_of() {
  const int64_t start = 0;
  return model::packed_input(kTokens, {&start, 1});
}

model::RouterSpec& router_of(model::ModelSpec& spec, size_t layer) {
  return std::get<model::MoeSpec>(spec.blocks[layer].feed_forward).router;
}

TEST_CASE("routing control: k experts are those of a model with that k") {
  Machine machine;
  for (const bool renormalise : {false, true}) {
    for (const int64_t k : {1, 2, 3, 6}) {
      CAPTURE(k);
      model::ModelSpec spec = tiny_spec(6, 2);
      model::ModelSpec other = spec;
      for (size_t layer = 0; layer < 2; ++layer) {
        router_of(spec, layer).renormalise = router_of(other, layer).renormalise = renormalise;
        router_of(other, layer).top_k = k;
      }
      const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
      const model::Decoder plain(spec, parameters);
      const model::Decoder changed(spec, parameters, {.active_experts = k});
      const model::Decoder trained(other, parameters);
      const Tensor want = trained.hidden(machine.ctx, input_of(), nullptr);
      CHECK(same_values(want, changed.hidden(machine.ctx, input_of(), nullptr)));
      CHECK(same_values(want, plain.hidden(machine.ctx, input_of(), nullptr)) == (k == 2));
      // What a pass brings goes before what the decoder has.
      nn::ForwardInput own = input_of();
      own.routing.active_experts = k;
      const model::Decoder fewer(spec, parameters, {.active_experts = 1});
      CHECK(same_values(want, fewer.hidden(machine.ctx, own, nullptr)));
    }
  }
}

TEST_CASE("routing control: a threshold of 1 leaves the first expert, one of 0 everything") {
  Machine machine;
  const model::ModelSpec spec = tiny_spec(6, 3);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  const auto hidden = [&](const RoutingControl& control) {
    return model::Decoder(spec, parameters, control).hidden(machine.ctx, input_of(), nullptr);
  };
  CHECK(same_values(hidden({.threshold = 1.0}), hidden({.active_experts = 1})));
  CHECK(same_values(hidden({.threshold = 0.0}), hidden({})));
  CHECK(!same_values(hidden({.threshold = 0.5}), hidden({})));
}

TEST_CASE(
    "routing control: shares add up again after a drop, and the threshold is of the largest") {
  model::RouterSpec spec = {.num_experts = 8, .top_k = 4};
  const auto routing_of = [](std::vector<float> weights) {
    ops::Routing routing;
    routing.experts = Tensor::empty({1, 4}, DType::i32);
    routing.weights = Tensor::empty({1, 4}, DType::f32);
    for (int32_t j = 0; j < 4; ++j) {
      routing.experts.data<int32_t>()[j] = j;
      routing.weights.data<float>()[j] = weights[static_cast<size_t>(j)];
    }
    return routing;
  };
  // With a selection bias the first is not always the one of the largest weight.
  ops::Routing routing = routing_of({0.25f, 0.5f, 0.125f, 0.125f});
  nn::apply_threshold(spec, 0.5, routing);
  const auto experts = [&] {
    const auto span = routing.experts.span<int32_t>();
    return std::vector<int32_t>(span.begin(), span.end());
  };
  CHECK(experts() == std::vector<int32_t>{0, 1, -1, -1});
  CHECK(routing.weights.data<float>()[1] == 0.5f);
  CHECK(routing.weights.data<float>()[2] == 0.0f);
  spec.renormalise = true;
  routing = routing_of({0.25f, 0.5f, 0.125f, 0.125f});
  nn::apply_threshold(spec, 0.5, routing);
  CHECK(routing.weights.data<float>()[0] == doctest::Approx(1.0 / 3));
  CHECK(routing.weights.data<float>()[1] == doctest::Approx(2.0 / 3));
}

TEST_CASE("routing control: observers see every layer's choices as they are computed") {
  struct Observer final : nn::RoutingObserver {
    std::vector<int64_t> layers, choices;
    void saw(int64_t layer, const nn::ForwardInput& input, const ops::Routing& routing) override {
      layers.push_back(layer);
      CHECK(*input.tokens == kTokens);
      int64_t count = 0;
      for (const int32_t e : routing.experts.span<int32_t>()) count += e >= 0 ? 1 : 0;
      choices.push_back(count);
    }
  } observer;
  Machine machine;
  const model::ModelSpec spec = tiny_spec(6, 2);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  const model::Decoder decoder(spec, parameters, {.active_experts = 3, .observer = &observer});
  decoder.hidden(machine.ctx, input_of(), nullptr);
  const auto all = static_cast<int64_t>(3 * kTokens.size());
  CHECK(observer.layers == std::vector<int64_t>{0, 1});
  CHECK(observer.choices == std::vector<int64_t>{all, all});
}

TEST_CASE("routing control: what cannot be is refused when the model is opened") {
  Machine machine;
  model::ModelSpec spec = tiny_spec(6, 2);
  const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 1);
  const auto refused = [&](const RoutingControl& control) {
    return error_of(ErrorKind::invalid_input,
                    [&] { model::Decoder decoder(spec, parameters, control); });
  };
  CHECK(contains(refused({.active_experts = 7}), "active_experts = 7, expected 1 to 6"));
  CHECK(contains(refused({.threshold = 1.5}), "expert_threshold = 1.5, expected 0 to 1"));
  auto& groups = std::get<ops::TokenChoice>(router_of(spec, 1).choice).groups;
  groups = {.num_groups = 3, .top_groups = 2, .scored_by = 1};
  CHECK(contains(refused({.active_experts = 5}), "active_experts = 5, expected 1 to 4"));
  router_of(spec, 1).choice = ops::ExpertChoice{};
  CHECK(contains(refused({.active_experts = 1}), "choose their tokens"));
}

}  // namespace
}  // namespace cadre
