// OLMoE against transformers: see tests/golden/README.md for how the numbers were made and for the
// tolerances, which are used here as they stand there.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "core/base/cpu_features.h"
#include "core/ops/tape.h"
#include "model/families/family.h"
#include "model/hf.h"
#include "model/router_loss.h"
#include "tests/model/golden_case.h"
#include "tests/model/machine.h"

namespace cadre {
namespace {

struct Step {
  double loss = 0.0;
  double auxiliary = 0.0;
  double total = 0.0;
};

model::RouterLossOptions reference_losses(const model::ModelSpec& spec) {
  return {.load_balancing = model::LoadBalancing::transformers,
          .load_balancing_weight = spec.router_aux_loss_coef,
          .z_weight = 0.0};
}

// Forward and backward; gradients go to `gradients`, one f32 tensor for each parameter.
Step run_step(Context& ctx, const GoldenCase& golden, const model::LoadedModel& loaded,
              const std::vector<Tensor>& gradients) {
  Tape tape;
  for (int64_t p = 0; p < loaded.parameters->size(); ++p) {
    tape.watch(loaded.parameters->tensor(p), gradients[static_cast<size_t>(p)], /*fresh=*/true);
  }
  const Context::TapeScope scope(ctx, &tape);
  nn::ForwardTrace trace;
  const Tensor hidden = loaded.decoder->hidden(ctx, golden.input(), &trace);
  const auto loss = loaded.decoder->loss(ctx, hidden, golden.targets(), golden.target_weights());
  const model::ModelSpec& spec = loaded.decoder->spec();
  const model::RouterLosses router =
      model::apply_router_losses(spec, reference_losses(spec), 1.0, trace);
  const Tensor one = ctx.empty({1}, DType::f32);
  one.data<float>()[0] = 1.0f;
  tape.backward(ctx, loss.loss, one);
  tape.finish_leaves(ctx);
  return {loss.loss.data<float>()[0], router.load_balancing,
          loss.loss.data<float>()[0] + router.weighted_sum};
}

std::vector<Tensor> gradient_buffers(Context& ctx, const model::Parameters& parameters) {
  std::vector<Tensor> buffers;
  for (const model::ParameterSpec& spec : parameters.specs()) {
    buffers.push_back(ctx.empty(spec.shape, DType::f32));
  }
  return buffers;
}

void check_logits(Machine& machine, const GoldenCase& golden) {
  const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
  nn::ForwardTrace trace;
  const Tensor hidden = loaded.decoder->hidden(machine.ctx, golden.input(), &trace);
  const Tensor logits = loaded.decoder->logits(machine.ctx, hidden);
  CHECK(max_difference(logits, golden.expected("logits"), golden) < 1e-4);
  for (size_t layer = 0; layer < trace.routers.size(); ++layer) {
    const std::string prefix = "layers." + std::to_string(layer);
    const nn::RouterTrace& router = trace.routers[layer];
    CHECK(max_difference(router.logits, golden.expected(prefix + ".router_logits"), golden) < 1e-4);
    CHECK(max_difference(router.weights, golden.expected(prefix + ".routing_weights"), golden) <
          1e-4);
    const Tensor experts = golden.expected(prefix + ".experts");
    const int64_t top_k = experts.dim(1);
    for (int64_t i = 0; i < experts.elements(); ++i) {
      if (!golden.is_real(i / top_k)) continue;
      CHECK(router.experts.data<int32_t>()[i] == experts.data<int32_t>()[i]);
    }
  }
}

}  // namespace

TEST_CASE("OLMoE: logits and routing are those of transformers, with every kernel table") {
  for (const kernels::KernelTable* table : kernels::supported_tables(detect_cpu_features())) {
    for (const std::string& name : olmoe_cases()) {
      CAPTURE(table->name);
      CAPTURE(name);
      Machine machine(*table);
      check_logits(machine, GoldenCase(name));
    }
  }
}

TEST_CASE("OLMoE: loss, auxiliary loss and every gradient are those of transformers") {
  for (const kernels::KernelTable* table : kernels::supported_tables(detect_cpu_features())) {
    for (const std::string& name : olmoe_cases()) {
      CAPTURE(table->name);
      CAPTURE(name);
      const GoldenCase golden(name);
      Machine machine(*table);
      const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
      const std::vector<Tensor> gradients = gradient_buffers(machine.ctx, *loaded.parameters);
      const Step step = run_step(machine.ctx, golden, loaded, gradients);
      CHECK(step.loss == doctest::Approx(golden.scalar("loss")).epsilon(1e-5));
      CHECK(std::fabs(step.auxiliary - golden.scalar("aux_loss")) < 1e-5);
      CHECK(step.total == doctest::Approx(golden.scalar("total_loss")).epsilon(1e-5));
      const model::Family& family = model::find_family(loaded.decoder->spec().architecture);
      for (const model::FilePart& part : model::file_parts(
               family.layouts.front(), loaded.decoder->spec(), loaded.parameters->specs())) {
        CAPTURE(part.name);
        const Tensor expected = golden.expected("grad." + part.name);
        const float* ours =
            gradients[static_cast<size_t>(part.parameter)].data<float>() + part.offset;
        CHECK(relative_norm(ours, expected.data<float>(), expected.elements()) < 1e-3);
      }
    }
  }
}

// Rounding to bf16 may turn a routing decision, after which that token and those that attend to it
// are different computations. True for the real rows before the first such turn of their sequence,
// be it in our pass or in that of the reference.
std::vector<bool> same_routing(const GoldenCase& golden, const nn::ForwardTrace& trace) {
  const int64_t length = golden.expected("input_ids").dim(1);
  const int64_t rows = golden.expected("input_ids").elements();
  std::vector<bool> same(static_cast<size_t>(rows), true);
  for (int64_t row = 0; row < rows; ++row) {
    bool equal = golden.is_real(row) && (row % length == 0 || same[static_cast<size_t>(row - 1)]);
    for (size_t layer = 0; equal && layer < trace.routers.size(); ++layer) {
      const std::string name = "layers." + std::to_string(layer) + ".experts";
      const int64_t k = golden.expected(name).dim(1);
      const auto chosen = [&](const Tensor& experts) {
        const int32_t* first = experts.data<int32_t>() + row * k;
        return std::set<int32_t>(first, first + k);
      };
      const std::set<int32_t> expected = chosen(golden.expected(name));
      equal = chosen(trace.routers[layer].experts) == expected &&
              chosen(golden.expected("bf16." + name)) == expected;
    }
    same[static_cast<size_t>(row)] = equal;
  }
  return same;
}

double max_difference(const Tensor& a, const Tensor& b, const std::vector<bool>& rows) {
  double largest = 0.0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    if (!rows[static_cast<size_t>(i / a.dim(-1))]) continue;
    largest = std::max(largest, std::fabs(double{a.data<float>()[i]} - b.data<float>()[i]));
  }
  return largest;
}

TEST_CASE("OLMoE: bf16 is within twice transformers' own distance from f32") {
  for (const kernels::KernelTable* table : kernels::supported_tables(detect_cpu_features())) {
    int64_t compared = 0;
    int64_t rows = 0;
    for (const std::string& name : olmoe_cases()) {
      CAPTURE(table->name);
      CAPTURE(name);
      const GoldenCase golden(name);
      Machine machine(*table);
      const model::LoadedModel loaded =
          model::load_model(machine.ctx, golden.folder(), DType::bf16);
      nn::ForwardTrace trace;
      const Tensor hidden = loaded.decoder->hidden(machine.ctx, golden.input(), &trace);
      const Tensor logits = loaded.decoder->logits(machine.ctx, hidden);
      const std::vector<bool> same = same_routing(golden, trace);
      const Tensor exact = golden.expected("logits");
      const double theirs = max_difference(golden.expected("bf16.logits"), exact, same);
      CHECK(max_difference(logits, exact, same) <= 2 * theirs);
      compared += std::ranges::count(same, true);
      for (int64_t row = 0; row < exact.dim(0); ++row) rows += golden.is_real(row) ? 1 : 0;
    }
    CHECK(compared > rows / 2);
  }
}

}  // namespace cadre
