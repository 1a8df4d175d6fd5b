#include "model/router_loss.h"

#include <doctest/doctest.h>

#include "core/base/error.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

using model::LoadBalancing;

// Statistics of T tokens that all have the same probabilities and went to experts in turn.
ops::RouterStatistics statistics(int64_t tokens, const std::vector<double>& probabilities,
                                 const std::vector<int64_t>& counts,
                                 const std::vector<int64_t>& first_counts) {
  ops::RouterStatistics result;
  result.num_tokens = tokens;
  result.counts = counts;
  result.first_counts = first_counts;
  for (const double p : probabilities) {
    result.probability_sums.push_back(p * static_cast<double>(tokens));
  }
  return result;
}

nn::ForwardTrace trace_of(const ops::RouterStatistics& layer, size_t layers) {
  nn::ForwardTrace trace;
  for (size_t l = 0; l < layers; ++l) {
    nn::RouterTrace router;
    router.statistics = layer;
    router.gradient = std::make_shared<ops::RouterGradient>();
    trace.routers.push_back(std::move(router));
  }
  return trace;
}

double loss_of(LoadBalancing kind, const ops::RouterStatistics& layer) {
  nn::ForwardTrace trace = trace_of(layer, 2);
  const model::RouterLossOptions options = {
      .load_balancing = kind, .load_balancing_weight = 1.0, .z_weight = 0.0};
  return model::apply_router_losses(tiny_spec(4, 2), options, 1.0, trace).load_balancing;
}

}  // namespace

TEST_CASE("load balancing: the value under perfect balance is that of each definition") {
  const auto layer =
      statistics(8, {0.25, 0.25, 0.25, 0.25}, {4, 4, 4, 4}, {2, 2, 2, 2});           // k = 2, L = 2
  CHECK(loss_of(LoadBalancing::transformers, layer) == doctest::Approx(2.0));        // k
  CHECK(loss_of(LoadBalancing::switch_transformer, layer) == doctest::Approx(2.0));  // L
  CHECK(loss_of(LoadBalancing::megatron, layer) == doctest::Approx(2.0));            // L
  CHECK(loss_of(LoadBalancing::megablocks, layer) == doctest::Approx(1.0));
  CHECK(loss_of(LoadBalancing::gshard, layer) == doctest::Approx(2.0 / 16));  // L / E^2
  CHECK(loss_of(LoadBalancing::deepspeed, layer) == doctest::Approx(2.0));    // L
  CHECK(loss_of(LoadBalancing::arctic, layer) == doctest::Approx(4.0));       // k L
  CHECK(loss_of(LoadBalancing::none, layer) == 0.0);
}

TEST_CASE("load balancing: collapse onto one expert costs E") {
  const auto layer = statistics(8, {1, 0, 0, 0}, {8, 8, 0, 0}, {8, 0, 0, 0});
  CHECK(loss_of(LoadBalancing::switch_transformer, layer) == doctest::Approx(2 * 4.0));
  CHECK(loss_of(LoadBalancing::transformers, layer) == doctest::Approx(4.0));
  CHECK(loss_of(LoadBalancing::deepspeed, layer) == doctest::Approx(2 * 4.0));
  CHECK(loss_of(LoadBalancing::gshard, layer) == doctest::Approx(2 * 1.0 / 4));
  CHECK(loss_of(LoadBalancing::arctic, layer) == doctest::Approx(2 * 4.0));
  CHECK(loss_of(LoadBalancing::megatron, layer) == doctest::Approx(2 * 4.0 / 2));
  CHECK(loss_of(LoadBalancing::megablocks, layer) == doctest::Approx(4.0 / 2));
}

TEST_CASE("load balancing: gradients reach probabilities as the value says") {
  for (const std::string& name : model::load_balancing_names()) {
    CAPTURE(name);
    const auto value = [&](double p0) {
      nn::ForwardTrace trace =
          trace_of(statistics(8, {0.4, 0.3, 0.2, 0.1}, {9, 4, 2, 1}, {5, 2, 1, 0}), 2);
      trace.routers[1].statistics.probability_sums[0] = p0;
      const model::RouterLossOptions options = {
          .load_balancing = model::load_balancing_from_name(name),
          .load_balancing_weight = 0.5,
          .z_weight = 0.0};
      const auto losses = model::apply_router_losses(tiny_spec(4, 2), options, 2.0, trace);
      const auto& gradient = trace.routers[1].gradient->probability_gradient;
      return std::pair{2.0 * losses.weighted_sum, gradient.empty() ? 0.0 : double{gradient[0]}};
    };
    const double expected = (value(3.3).first - value(3.1).first) / 0.2;
    CHECK(value(3.2).second == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("importance and load: zero when even, E - 1 on collapse, with their gradients") {
  const auto losses_of = [](const std::vector<double>& sums, std::vector<float>* gradient) {
    auto layer = statistics(8, {0.25, 0.25, 0.25, 0.25}, {4, 4, 4, 4}, {2, 2, 2, 2});
    layer.importance = sums;
    layer.load = sums;
    nn::ForwardTrace trace = trace_of(layer, 2);
    const model::RouterLossOptions options = {.load_balancing = LoadBalancing::none,
                                              .z_weight = 0.0,
                                              .importance_weight = 0.1,
                                              .load_weight = 0.3};
    const auto losses = model::apply_router_losses(tiny_spec(4, 2), options, 1.0, trace);
    if (gradient != nullptr) *gradient = trace.routers[0].gradient->load_gradient;
    CHECK(losses.weighted_sum == doctest::Approx(0.1 * losses.importance + 0.3 * losses.load));
    return losses;
  };
  CHECK(losses_of({5, 5, 5, 5}, nullptr).importance == doctest::Approx(0.0));
  CHECK(losses_of({20, 0, 0, 0}, nullptr).load == doctest::Approx(2 * 3.0));  // 2 layers
  std::vector<float> gradient;
  losses_of({3, 1, 4, 2}, &gradient);
  for (size_t e = 0; e < 4; ++e) {
    std::vector<double> up = {3, 1, 4, 2}, down = up;
    up[e] += 1e-4;
    down[e] -= 1e-4;
    // Half of the sum over two layers that moved alike.
    const double slope = (losses_of(up, nullptr).load - losses_of(down, nullptr).load) / 2e-4 / 2;
    CHECK(gradient[e] == doctest::Approx(0.3 * slope).epsilon(1e-4));
  }
}

TEST_CASE("load balancing: over layers jointly, one layer's overload can hide in another's") {
  nn::ForwardTrace trace = trace_of(statistics(8, {0.5, 0.5, 0, 0}, {8, 8, 0, 0}, {4, 4, 0, 0}), 2);
  trace.routers[1].statistics = statistics(8, {0, 0, 0.5, 0.5}, {0, 0, 8, 8}, {0, 0, 4, 4});
  model::RouterLossOptions options = {.load_balancing = LoadBalancing::transformers};
  const model::ModelSpec spec = tiny_spec(4, 2);
  CHECK(model::apply_router_losses(spec, options, 1.0, trace).load_balancing ==
        doctest::Approx(2.0));
  options.load_balancing = LoadBalancing::megablocks;
  CHECK(model::apply_router_losses(spec, options, 1.0, trace).load_balancing ==
        doctest::Approx(2.0));  // 1 would be balance
}

TEST_CASE("z-loss: zero logits cost (ln E)^2, and top_k divides only where asked") {
  auto layer = statistics(8, {0.25, 0.25, 0.25, 0.25}, {4, 4, 4, 4}, {2, 2, 2, 2});
  layer.squared_lse_sum = 8 * 1.921812;  // (ln 4)^2
  nn::ForwardTrace trace = trace_of(layer, 2);
  model::RouterLossOptions options = {.load_balancing = LoadBalancing::none, .z_weight = 1.0};
  const model::ModelSpec spec = tiny_spec(4, 2);
  CHECK(model::apply_router_losses(spec, options, 1.0, trace).z == doctest::Approx(1.921812));
  options.z_divides_by_top_k = true;
  CHECK(model::apply_router_losses(spec, options, 0.5, trace).z == doctest::Approx(0.960906));
  CHECK(trace.routers[0].gradient->z_gradient == doctest::Approx(0.5 / (2 * 8 * 2)));
}

TEST_CASE("load balancing: an unknown name is answered with the nearest") {
  CHECK_THROWS_WITH_AS(model::load_balancing_from_name("megablock"),
                       doctest::Contains("\"megablocks\""), Error);
}

}  // namespace cadre
