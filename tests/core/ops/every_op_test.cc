#include <doctest/doctest.h>

#include "tests/core/ops/op_cases.h"

namespace cadre::ops {
namespace {

// Names the tensors of a run: the result, then the gradients.
void for_each_pair(const OpRun& a, const OpRun& b,
                   const std::function<void(const std::string&, const Tensor&, const Tensor&)>& f) {
  f("result", a.y, b.y);
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    f("gradient of input " + std::to_string(i), a.gradients[i], b.gradients[i]);
  }
}

TEST_CASE("every op: gradients agree with central differences") {
  Machine machine;
  for (const OpCase& op : op_cases(DType::f32)) {
    CAPTURE(op.name);
    // Measured: at most 8e-5.
    CHECK(gradient_error(machine.ctx, op) < 2e-4);
  }
}

TEST_CASE("every op: gradients agree with central differences across blocks and tiles") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"));
  for (const OpCase& op : op_cases(DType::f32, CaseSize::medium)) {
    CAPTURE(op.name);
    // Sums of f32 products add to the noise. Measured: at most 2e-4.
    CHECK(gradient_error(machine.ctx, op) < 5e-4);
  }
}

TEST_CASE("every op: every table agrees with the scalar one") {
  for (const DType type : {DType::f32, DType::bf16}) {
    // f32 sums of a few hundred terms; bf16 results round to 2^-9 and intermediate ones as well.
    const double bound = type == DType::f32 ? 2e-6 : 6e-3;
    for (const CaseSize size : {CaseSize::small, CaseSize::medium}) {
      for (const OpCase& op : op_cases(type, size)) {
        Machine scalar;
        const OpRun expected = run_case(scalar.ctx, op);
        for (const kernels::KernelTable* table : supported_tables()) {
          Machine machine(*table);
          const OpRun found = run_case(machine.ctx, op);
          for_each_pair(found, expected,
                        [&](const std::string& what, const Tensor& x, const Tensor& y) {
                          CAPTURE(op.name);
                          CAPTURE(what);
                          CAPTURE(std::string(table->name));
                          CAPTURE(std::string(dtype_name(type)));
                          CHECK(distance(x, y) < bound);
                        });
        }
      }
    }
  }
}

TEST_CASE("every op: the same bits for any number of threads") {
  const kernels::KernelTable& table = kernels::choose_table(detect_cpu_features(), "auto");
  for (const DType type : {DType::f32, DType::bf16}) {
    for (const OpCase& op : op_cases(type, CaseSize::large)) {
      Machine one(table, 1);
      const OpRun expected = run_case(one.ctx, op);
      for (const int threads : {2, 3, 4}) {
        Machine machine(table, threads);
        for_each_pair(run_case(machine.ctx, op), expected,
                      [&](const std::string& what, const Tensor& x, const Tensor& y) {
                        CAPTURE(op.name);
                        CAPTURE(what);
                        CAPTURE(threads);
                        CHECK(same_bits(x, y));
                      });
      }
    }
  }
}

TEST_CASE("every op: computes the same with and without a tape") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"));
  for (const OpCase& op : op_cases(DType::bf16)) {
    CAPTURE(op.name);
    if (op.name == "dropout") continue;
    CHECK(same_bits(run_forward(machine.ctx, op), run_case(machine.ctx, op).y));
  }
}

}  // namespace
}  // namespace cadre::ops
