#include "core/ops/route.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/ops/capacity.h"
#include "core/ops/dispatch.h"
#include "core/ops/router_kinds.h"
#include "tests/core/ops/op_testing.h"
#include "tests/core/ops/router_reference.h"

namespace cadre::ops {
namespace {

constexpr uint64_t kSeed = 17;
constexpr int64_t kLayer = 3;

struct Case {
  RouterSpec spec;
  Tensor logits;
  std::vector<uint8_t> real;
  Tensor bias;
  bool training = true;
};

// Random logits, or small whole numbers so that ties abound.
Case make_case(const std::string& kind, int64_t tokens, int64_t experts, int64_t top_k,
               bool ties = false) {
  Case c;
  c.spec = router_of_kind(kind, experts, top_k);
  c.logits = random_tensor({tokens, experts}, DType::f32, 40 + static_cast<uint64_t>(tokens), 2.0);
  for (int64_t i = 0; ties && i < c.logits.elements(); ++i) {
    float& z = c.logits.data<float>()[i];
    z = std::round(z / 2.0f);
  }
  c.real.assign(static_cast<size_t>(tokens), 1);
  if (kind == "expert_choice") c.spec.choice = ExpertChoice{.over_batch = true};
  if (kind == "deepseek_v3") c.bias = random_tensor({experts}, DType::f32, 5, 0.2);
  return c;
}

RouteInput input_of(const Case& c) {
  RouteInput input;
  input.mask = std::make_shared<const std::vector<uint8_t>>(c.real);
  input.bias = c.bias;
  input.training = c.training;
  input.seed = kSeed;
  input.layer = kLayer;
  return input;
}

ReferenceInput reference_of(const Case& c, const Matrix& logits) {
  ReferenceInput in;
  in.logits = logits;
  in.real = c.real;
  in.top_k = c.spec.top_k;
  const double factor = capacity_factor(c.spec, c.training, false);
  in.capacity = factor > 0.0 ? expert_capacity(c.spec, factor, std::ranges::count(c.real, 1))
                             : static_cast<int64_t>(c.real.size()) * c.spec.top_k;
  in.training = c.training;
  in.random = RouterRandom(kSeed, kLayer);
  if (c.bias.defined()) {
    for (const float b : c.bias.span<float>()) in.bias.push_back(b);
  }
  if (const auto* choice = std::get_if<TokenChoice>(&c.spec.choice)) {
    in.num_groups = choice->groups.num_groups;
    in.top_groups = choice->groups.top_groups;
  }
  return in;
}

Matrix rows_of(const Tensor& x) {
  Matrix rows(static_cast<size_t>(x.dim(0)));
  const std::vector<double> values = values_of(x);
  for (size_t n = 0; n < rows.size(); ++n) {
    rows[n].assign(values.begin() + static_cast<int64_t>(n) * x.dim(1),
                   values.begin() + static_cast<int64_t>(n + 1) * x.dim(1));
  }
  return rows;
}

Matrix dense_gates(const Routing& routing, int64_t experts) {
  Matrix gates(static_cast<size_t>(routing.experts.dim(0)),
               std::vector<double>(static_cast<size_t>(experts)));
  const int64_t k = routing.experts.dim(1);
  for (int64_t i = 0; i < routing.experts.elements(); ++i) {
    const int32_t e = routing.experts.data<int32_t>()[i];
    const float w = routing.weights.data<float>()[i];
    if (e < 0) {
      CHECK(w == 0.0f);
      continue;
    }
    gates[static_cast<size_t>(i / k)][static_cast<size_t>(e)] += w;
  }
  return gates;
}

// The largest difference between gates of real tokens.
double worst_difference(const Case& c, const Matrix& a, const Matrix& b) {
  double worst = 0.0;
  for (size_t n = 0; n < a.size(); ++n) {
    for (size_t e = 0; c.real[n] != 0 && e < a[n].size(); ++e) {
      worst = std::max(worst, std::abs(a[n][e] - b[n][e]));
    }
  }
  return worst;
}

void check_forward(const Case& c, const ReferenceRouter& reference) {
  CAPTURE(reference.kind);
  Machine machine;
  const Routing routing = route(machine.ctx, c.logits, c.spec, input_of(c));
  const Matrix found = dense_gates(routing, c.spec.num_experts);
  const Matrix expected = reference.gates(reference_of(c, rows_of(c.logits)));
  CHECK(worst_difference(c, found, expected) < 1e-6);
}

// sum of r * gates over real tokens as a function of the logits, by the definition.
double objective(const Case& c, const ReferenceRouter& reference, const Matrix& logits,
                 const Matrix& r) {
  const Matrix gates = reference.gates(reference_of(c, logits));
  double sum = 0.0;
  for (size_t n = 0; n < r.size(); ++n) {
    for (size_t e = 0; c.real[n] != 0 && e < r[n].size(); ++e) sum += r[n][e] * gates[n][e];
  }
  return sum;
}

void check_gradient(const Case& c, const ReferenceRouter& reference) {
  CAPTURE(reference.kind);
  Machine machine;
  const Matrix r = rows_of(random_tensor(c.logits.shape(), DType::f32, 6));
  Tape tape;
  const Tensor found = machine.ctx.empty_like(c.logits);
  tape.watch(c.logits, found, /*fresh=*/true);
  const Context::TapeScope scope(machine.ctx, &tape);
  const Routing routing = route(machine.ctx, c.logits, c.spec, input_of(c));
  const Tensor dweights = machine.ctx.empty_like(routing.weights);
  const int64_t k = routing.experts.dim(1);
  for (int64_t i = 0; i < routing.experts.elements(); ++i) {
    const int32_t e = routing.experts.data<int32_t>()[i];
    const auto n = static_cast<size_t>(i / k);
    const bool counts = e >= 0 && c.real[n] != 0;
    // What stands at a dropped choice must not matter.
    dweights.data<float>()[i] =
        counts ? static_cast<float>(r[n][static_cast<size_t>(e)]) : (e < 0 ? 1e6f : 0.0f);
  }
  tape.backward(machine.ctx, routing.weights, dweights);
  const Matrix logits = rows_of(c.logits);
  for (uint64_t direction = 0; direction < 4; ++direction) {
    const Matrix d = rows_of(random_tensor(c.logits.shape(), DType::f32, 70 + direction));
    const auto moved = [&](double step) {
      Matrix other = logits;
      for (size_t n = 0; n < d.size(); ++n) {
        for (size_t e = 0; e < d[n].size(); ++e) other[n][e] += step * d[n][e];
      }
      return objective(c, reference, other, r);
    };
    constexpr double kStep = 1e-6;  // too small to change a choice
    const double expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
    double along = 0.0;
    double norm = 0.0;
    for (size_t n = 0; n < d.size(); ++n) {
      for (size_t e = 0; e < d[n].size(); ++e) {
        const double g = found.data<float>()[n * d[n].size() + e];
        along += g * d[n][e];
        norm += g * g;
      }
    }
    CHECK(std::abs(along - expected) < 1e-5 * std::max(1.0, std::sqrt(norm)));
  }
}

void pad(Case& c) {
  for (size_t n = 0; n < c.real.size(); n += 4) c.real[n] = 0;
}

TEST_CASE("routers: each equals its paper, token by token") {
  for (const ReferenceRouter& reference : reference_routers()) {
    for (const auto& [tokens, experts, top_k] :
         {std::tuple{1, 2, 1}, {37, 6, 2}, {64, 16, 4}, {300, 5, 3}, {50, 4, 4}}) {
      for (const bool training : {true, false}) {
        Case c = make_case(reference.kind, tokens, experts, top_k);
        c.training = training;
        check_forward(c, reference);
        pad(c);
        check_forward(c, reference);
      }
    }
  }
}

TEST_CASE("routers: with ties each equals its paper, the lower index first") {
  for (const ReferenceRouter& reference : reference_routers()) {
    Case c = make_case(reference.kind, 80, 6, 3, /*ties=*/true);
    if (c.bias.defined()) c.bias = tensor_of(std::vector<float>(6, 0.25f), {6});
    check_forward(c, reference);
  }
}

TEST_CASE("routers: with little room, and with none, each equals its paper") {
  for (const ReferenceRouter& reference : reference_routers()) {
    Case c = make_case(reference.kind, 90, 6, 2);
    if (c.spec.capacity.train_factor == 0.0) continue;
    for (const double factor : {0.5, 0.1, 1e-9}) {
      c.spec.capacity.train_factor = factor;
      c.spec.capacity.minimum = 0;
      c.spec.capacity.rounds_up = false;
      check_forward(c, reference);
      check_gradient(c, reference);
    }
    Machine machine;
    const Routing nothing = route(machine.ctx, c.logits, c.spec, input_of(c));
    CHECK(nothing.statistics.unrouted == 90);
    const DispatchPlanPtr plan = plan_dispatch(machine.ctx, nothing.experts, 6);
    CHECK(plan->offsets.back() == 0);
    const Tensor x = random_tensor({90, 8}, DType::bf16, 3);
    const Tensor y =
        combine(machine.ctx, permute(machine.ctx, x, plan), nothing.weights, plan, DType::bf16);
    CHECK(std::ranges::all_of(values_of(y), [](double v) { return v == 0.0; }));
  }
}

TEST_CASE("routers: gradients agree with central differences of the paper's formula") {
  for (const ReferenceRouter& reference : reference_routers()) {
    for (const auto& [tokens, experts, top_k] : {std::tuple{37, 6, 2}, {64, 8, 4}, {5, 3, 1}}) {
      Case c = make_case(reference.kind, tokens, experts, top_k);
      check_gradient(c, reference);
      pad(c);
      check_gradient(c, reference);
    }
  }
}

TEST_CASE("routers: groups limit the choice as in DeepSeek-V3") {
  const auto routers = reference_routers();
  const auto reference = std::ranges::find(routers, "deepseek_v3", &ReferenceRouter::kind);
  for (const auto& [groups, top] : {std::pair{4, 2}, {2, 1}, {8, 3}, {4, 4}}) {
    Case c = make_case("deepseek_v3", 70, 16, 4);
    std::get<TokenChoice>(c.spec.choice).groups = {.num_groups = groups, .top_groups = top};
    check_forward(c, *reference);
    check_gradient(c, *reference);
  }
}

TEST_CASE("routers: GShard uses its second expert with probability min(1, 2 g)") {
  // All tokens alike: g2 is 0.3 for each.
  const int64_t tokens = 20000;
  Case c = make_case("gshard", tokens, 4, 2);
  for (int64_t n = 0; n < tokens; ++n) {
    const float row[] = {std::log(0.7f), std::log(0.3f), -20.0f, -20.0f};
    std::copy_n(row, 4, c.logits.data<float>() + 4 * n);
  }
  c.spec.capacity.train_factor = 100.0;
  Machine machine;
  const Routing routing = route(machine.ctx, c.logits, c.spec, input_of(c));
  CHECK(routing.statistics.dropped == 0);
  CHECK(routing.statistics.counts[0] == tokens);
  CHECK(static_cast<double>(routing.statistics.counts[1]) / tokens ==
        doctest::Approx(0.6).epsilon(0.02));
}

TEST_CASE("routers: with room for all, no first choice of GShard is dropped") {
  Case c = make_case("gshard", 200, 8, 2);
  c.spec.capacity.train_factor = 4.0;  // C = tokens
  Machine machine;
  const Routing routing = route(machine.ctx, c.logits, c.spec, input_of(c));
  CHECK(routing.statistics.dropped == 0);
  for (int64_t n = 0; n < 200; ++n) CHECK(routing.experts.data<int32_t>()[2 * n] >= 0);
}

TEST_CASE("routers: expert choice gives every expert exactly floor(k n / E) tokens of a sequence") {
  Case c = make_case("expert_choice", 100, 6, 2);
  c.spec.choice = ExpertChoice{};
  pad(c);
  const std::vector<Range> sequences = {{0, 40}, {40, 41}, {41, 100}};
  RouteInput input = input_of(c);
  input.sequences = sequences;
  Machine machine;
  const Routing routing = route(machine.ctx, c.logits, c.spec, input);
  const Matrix gates = dense_gates(routing, 6);
  for (const Range& sequence : sequences) {
    int64_t real = 0;
    for (int64_t n = sequence.begin; n < sequence.end; ++n) real += c.real[static_cast<size_t>(n)];
    for (size_t e = 0; e < 6; ++e) {
      int64_t taken = 0;
      for (int64_t n = sequence.begin; n < sequence.end; ++n) {
        taken += gates[static_cast<size_t>(n)][e] > 0.0 ? 1 : 0;
      }
      CHECK(taken == 2 * real / 6);
    }
  }
  for (size_t n = 0; n < c.real.size(); n += 4) {
    CHECK(std::ranges::all_of(gates[n], [](double g) { return g == 0.0; }));
  }
  input.decoding = true;
  CHECK_THROWS_AS(route(machine.ctx, c.logits, c.spec, input), Error);
}

TEST_CASE("routers: statistics count drops, and the same bits come from any number of threads") {
  const kernels::KernelTable& table = kernels::choose_table(detect_cpu_features(), "auto");
  for (const std::string& kind : router_kinds()) {
    if (kind == "attention") continue;
    CAPTURE(kind);
    Case c = make_case(kind, 1000, 16, 2);
    pad(c);
    Machine one(table, 1);
    const Routing expected = route(one.ctx, c.logits, c.spec, input_of(c));
    int64_t kept = 0;
    int64_t wanted = 0;
    for (int64_t i = 0; i < expected.experts.elements(); ++i) {
      const bool real = c.real[static_cast<size_t>(i / expected.experts.dim(1))] != 0;
      kept += real && expected.experts.data<int32_t>()[i] >= 0 ? 1 : 0;
    }
    for (const int64_t count : expected.statistics.counts) wanted += count;
    CHECK(expected.statistics.num_tokens == 750);
    CHECK(expected.statistics.dropped == wanted - kept);
    for (const int threads : {2, 4}) {
      Machine machine(table, threads);
      const Routing found = route(machine.ctx, c.logits, c.spec, input_of(c));
      CHECK(same_bits(found.experts, expected.experts));
      CHECK(same_bits(found.weights, expected.weights));
      CHECK(found.statistics.entropy_sum == expected.statistics.entropy_sum);
      CHECK(found.statistics.importance == expected.statistics.importance);
    }
  }
}

TEST_CASE("routers: padding takes no place and a capacity that drops nothing changes no bit") {
  Case c = make_case("megablocks", 64, 4, 2);
  c.spec.capacity.train_factor = 0.0;
  Machine machine;
  const Routing plain = route(machine.ctx, c.logits, c.spec, input_of(c));
  c.spec.capacity.train_factor = 2.0;
  const Routing roomy = route(machine.ctx, c.logits, c.spec, input_of(c));
  CHECK(same_bits(plain.experts, roomy.experts));
  CHECK(same_bits(plain.weights, roomy.weights));
  // Padding in front does not push real tokens out.
  c.spec.capacity.train_factor = 0.75;
  const Routing tight = route(machine.ctx, c.logits, c.spec, input_of(c));
  Case longer = c;
  longer.logits = machine.ctx.empty({128, 4}, DType::f32);
  std::copy_n(c.logits.data<float>(), 256, longer.logits.data<float>());
  std::copy_n(c.logits.data<float>(), 256, longer.logits.data<float>() + 256);
  longer.real.assign(64, 0);
  longer.real.resize(128, 1);
  const Routing padded = route(machine.ctx, longer.logits, longer.spec, input_of(longer));
  for (int64_t i = 0; i < 128; ++i) {
    CHECK(padded.experts.data<int32_t>()[i] == -1);
    CHECK(padded.experts.data<int32_t>()[128 + i] == tight.experts.data<int32_t>()[i]);
  }
}

}  // namespace
}  // namespace cadre::ops
