#include "core/ops/noisy_logits.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/ops/router_random.h"
#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

constexpr uint64_t kSeed = 17;
constexpr int64_t kLayer = 3;

TEST_CASE("noisy top-k: load is the chance of being chosen when the own noise is drawn again") {
  Machine machine;
  const int64_t experts = 5, top_k = 2;
  const Tensor clean = random_tensor({1, experts}, DType::f32, 1);
  const Tensor raw = random_tensor({1, experts}, DType::f32, 2);
  std::vector<double> load;
  const Tensor h =
      noisy_logits(machine.ctx, clean, raw, {top_k, kSeed, kLayer}, nullptr, nullptr, load);
  const RandomStream random(3);
  for (int64_t e = 0; e < experts; ++e) {
    const double sigma = std::log1p(std::exp(double{raw.data<float>()[e]}));
    const double noise = RouterRandom(kSeed, kLayer).normal(e);
    CHECK(h.data<float>()[e] == doctest::Approx(clean.data<float>()[e] + noise * sigma));
    int64_t chosen = 0;
    constexpr int64_t kDraws = 100000;
    for (int64_t draw = 0; draw < kDraws; ++draw) {
      const double own = clean.data<float>()[e] +
                         sigma * random.normal_at(static_cast<uint64_t>(draw * experts + e));
      int64_t better = 0;
      for (int64_t other = 0; other < experts; ++other) {
        better += other != e && h.data<float>()[other] > own ? 1 : 0;
      }
      chosen += better < top_k ? 1 : 0;
    }
    const double expected = static_cast<double>(chosen) / kDraws;
    CHECK(load[static_cast<size_t>(e)] == doctest::Approx(expected).epsilon(0.01).scale(1.0));
  }
}

TEST_CASE("noisy top-k: gradients of logits, noise and load agree with central differences") {
  Machine machine;
  const int64_t tokens = 23, experts = 6;
  auto mask = std::make_shared<std::vector<uint8_t>>(tokens, 1);
  (*mask)[5] = 0;
  const std::vector<float> g = {0.5f, -1.0f, 0.25f, 2.0f, -0.75f, 1.5f};
  const Tensor r = random_tensor({tokens, experts}, DType::f32, 9);
  const Tensor clean = random_tensor({tokens, experts}, DType::f32, 1);
  const Tensor raw = random_tensor({tokens, experts}, DType::f32, 2);
  for (const int64_t top_k : {1, 3, 6}) {
    CAPTURE(top_k);
    auto gradient = std::make_shared<RouterGradient>();
    Tape tape;
    const Tensor dclean = machine.ctx.empty_like(clean), draw = machine.ctx.empty_like(raw);
    tape.watch(clean, dclean, true);
    tape.watch(raw, draw, true);
    std::vector<double> load;
    {
      const Context::TapeScope scope(machine.ctx, &tape);
      const Tensor h =
          noisy_logits(machine.ctx, clean, raw, {top_k, kSeed, kLayer}, mask, gradient, load);
      gradient->load_gradient = g;  // known only after the forward pass
      tape.backward(machine.ctx, h, random_tensor(r.shape(), DType::f32, 9));
    }
    const auto value = [&](const Tensor& c, const Tensor& w) {
      std::vector<double> sums;
      const Tensor h = noisy_logits(machine.ctx, c, w, {top_k, kSeed, kLayer}, mask, nullptr, sums);
      double sum = 0.0;
      for (int64_t i = 0; i < h.elements(); ++i) {
        sum += double{h.data<float>()[i]} * r.data<float>()[i];
      }
      for (size_t e = 0; e < sums.size(); ++e) sum += g[e] * sums[e];
      return sum;
    };
    for (const bool moves_clean : {true, false}) {
      const Tensor d = random_tensor(clean.shape(), DType::f32, moves_clean ? 11 : 12);
      const auto moved = [&](float step) {
        const Tensor& from = moves_clean ? clean : raw;
        const Tensor to = machine.ctx.empty_like(from);
        for (int64_t i = 0; i < to.elements(); ++i) {
          to.data<float>()[i] = from.data<float>()[i] + step * d.data<float>()[i];
        }
        return moves_clean ? value(to, raw) : value(clean, to);
      };
      const double expected = (moved(1e-3f) - moved(-1e-3f)) / 2e-3;
      const Tensor& found = moves_clean ? dclean : draw;
      double along = 0.0;
      for (int64_t i = 0; i < d.elements(); ++i) {
        along += double{found.data<float>()[i]} * d.data<float>()[i];
      }
      // Steps of f32 logits: measured below 2e-3.
      CHECK(along == doctest::Approx(expected).epsilon(5e-3));
    }
  }
}

}  // namespace
}  // namespace cadre::ops
