#include "core/kernels/rows.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/kernels/elementwise.h"
#include "tests/core/kernels/guarded.h"

namespace cadre::kernels::testing {
namespace {

constexpr int64_t kRows = 5;
constexpr DType kTypes[] = {DType::f32, DType::bf16};
constexpr int64_t kWidths[] = {1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1024};

TEST_CASE("add_bias: every table agrees with the scalar one, in place too") {
  for (const KernelTable* table : fast_tables()) {
    for (DType x_type : kTypes) {
      for (DType y_type : kTypes) {
        for (int64_t width : kWidths) {
          CAPTURE(table->name);
          CAPTURE(width);
          GuardedBuffer x(x_type, kRows * width), bias(DType::f32, width);
          GuardedBuffer want(y_type, kRows * width), got(y_type, kRows * width);
          x.randomise(1);
          bias.randomise(2);
          AddBiasArgs args = {x.data(), x_type, bias.f32(), want.data(), y_type, width};
          scalar_table().add_bias(args, {0, kRows});
          args.y = got.data();
          table->add_bias(args, {0, 2});
          table->add_bias(args, {2, kRows});
          CHECK(same_bytes(got, want));
          if (x_type == y_type) {
            args.y = x.data();
            table->add_bias(args, {0, kRows});
            CHECK(same_bytes(x, want));
          }
          CHECK((x.intact() && bias.intact() && got.intact()));
        }
      }
    }
  }
}

TEST_CASE("sum_rows: every table agrees with the scalar one, however columns are cut") {
  for (const KernelTable* table : fast_tables()) {
    for (DType type : kTypes) {
      for (int64_t rows : {int64_t{1}, int64_t{63}, int64_t{64}, int64_t{65}, int64_t{200}}) {
        for (int64_t width : {1, 8, 17, 65}) {
          for (bool accumulate : {false, true}) {
            CAPTURE(table->name);
            CAPTURE(rows);
            CAPTURE(width);
            GuardedBuffer x(type, rows * width), want(DType::f32, width), got(DType::f32, width);
            x.randomise(3);
            if (accumulate) {
              want.randomise(4);
              got.copy(want);
            }
            SumRowsArgs args = {x.data(), type, want.f32(), accumulate, rows, width};
            scalar_table().sum_rows(args, {0, width});
            args.sum = got.f32();
            table->sum_rows(args, {0, width / 3});
            table->sum_rows(args, {width / 3, width});
            // Deviates of one add up to about the root of their number.
            CHECK(largest_error(got, want, std::sqrt(static_cast<double>(rows))) <= 2e-6);
            CHECK((x.intact() && got.intact()));
          }
        }
      }
    }
  }
}

TEST_CASE("center_rows: every table agrees with the scalar one, and the mean is gone") {
  for (const KernelTable* table : supported_tables()) {
    for (DType x_type : kTypes) {
      for (DType y_type : kTypes) {
        for (int64_t width : kWidths) {
          CAPTURE(table->name);
          CAPTURE(width);
          GuardedBuffer x(x_type, kRows * width);
          GuardedBuffer want(y_type, kRows * width), got(y_type, kRows * width);
          x.randomise(5);
          CenterRowsArgs args = {x.data(), x_type, want.data(), y_type, width};
          scalar_table().center_rows(args, {0, kRows});
          args.y = got.data();
          table->center_rows(args, {0, 1});
          table->center_rows(args, {1, kRows});
          CHECK(largest_error(got, want, 1) <= tolerance(y_type, 1e-6));
          if (y_type == DType::f32) {
            double sum = 0;
            for (int64_t i = 0; i < width; ++i) sum += got.get(i);
            CHECK(std::fabs(sum / static_cast<double>(width)) < 1e-6);
          }
          CHECK((x.intact() && got.intact()));
        }
      }
    }
  }
}

struct GateCase {
  GateCase(DType type, int64_t f)
      : width(f),
        x(type, kRows * f),
        gate(DType::f32, kRows),
        y(type, kRows * f),
        dy(type, kRows * f),
        dx(type, kRows * f),
        dgate(DType::f32, kRows) {
    x.randomise(6);
    gate.randomise(7, 3.0);
    dy.randomise(8);
  }
  SigmoidGateArgs args() const {
    return {x.data(), x.type(), gate.f32(), y.data(), dy.data(), dx.data(), dgate.f32(), width};
  }
  bool intact() const {
    return x.intact() && gate.intact() && y.intact() && dy.intact() && dx.intact() &&
           dgate.intact();
  }

  int64_t width;
  GuardedBuffer x, gate, y, dy, dx, dgate;
};

TEST_CASE("sigmoid_gate: every table agrees with the scalar one, forward and back") {
  for (const KernelTable* table : fast_tables()) {
    for (DType type : kTypes) {
      for (int64_t width : kWidths) {
        CAPTURE(table->name);
        CAPTURE(width);
        const GateCase want(type, width);
        const GateCase got(type, width);
        scalar_table().sigmoid_gate(want.args(), {0, kRows});
        scalar_table().sigmoid_gate_backward(want.args(), {0, kRows});
        table->sigmoid_gate(got.args(), {0, 2});
        table->sigmoid_gate(got.args(), {2, kRows});
        table->sigmoid_gate_backward(got.args(), {0, kRows});
        CHECK(largest_error(got.y, want.y, 1e-6) <= tolerance(type, 1e-6));
        CHECK(largest_error(got.dx, want.dx, 1e-6) <= tolerance(type, 1e-6));
        CHECK(largest_error(got.dgate, want.dgate, std::sqrt(static_cast<double>(width))) <= 2e-6);
        SigmoidGateArgs in_place = got.args();
        in_place.dx = got.dy.data();
        table->sigmoid_gate_backward(in_place, {0, kRows});
        CHECK(same_bytes(got.dy, got.dx));
        CHECK(got.intact());
      }
    }
  }
}

TEST_CASE("clamp: every table gives the bits of the scalar one, and NaN stays") {
  for (const KernelTable* table : supported_tables()) {
    for (DType type : kTypes) {
      for (int64_t width : kWidths) {
        CAPTURE(table->name);
        CAPTURE(width);
        GuardedBuffer x(type, width), dy(type, width), want(type, width), got(type, width);
        x.randomise(9, 2.0);
        x.set(width / 2, 0.75f);
        x.set(0, NAN);
        dy.randomise(10);
        for (const void* slope :
             {static_cast<const void*>(nullptr), const_cast<const void*>(dy.data())}) {
          ClampArgs args = {x.data(), slope, want.data(), type, 0.75f};
          scalar_table().clamp(args, {0, width});
          args.y = got.data();
          table->clamp(args, {0, width / 3});
          table->clamp(args, {width / 3, width});
          if (slope == nullptr) CHECK(std::isnan(got.get(0)));
          if (slope == nullptr) {
            want.set(0, 0);
            got.set(0, 0);
          }
          CHECK(same_bytes(got, want));
          for (int64_t i = 1; i < width && slope == nullptr; ++i) {
            CHECK(std::fabs(got.get(i)) <= 0.75f);
          }
        }
        // On the limit the derivative is 1.
        if (width > 1) CHECK(got.get(width / 2) == dy.get(width / 2));
        CHECK((x.intact() && dy.intact() && got.intact()));
      }
    }
  }
}

}  // namespace
}  // namespace cadre::kernels::testing
