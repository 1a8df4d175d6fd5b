#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/base/error.h"
#include "tests/train/tiny.h"
#include "train/optim/adamw.h"
#include "train/optim/gradients.h"
#include "train/optim/outliers.h"
#include "train/optim/schedule.h"

namespace cadre::train {
namespace {

// The OLMoE run of the published configuration, in steps of 4,194,304 tokens.
Schedule olmoe_schedule() {
  ScheduleOptions options;
  options.warmup_steps = 2500;
  options.warmup_start_factor = 0.1;
  options.final_factor = 0.1;
  return Schedule(options, 4e-4, 1192093);  // 5e12 tokens
}

TEST_CASE("schedule: warm-up and cosine are OLMoE's") {
  const Schedule schedule = olmoe_schedule();
  CHECK(schedule.at(0) == doctest::Approx(4e-5));
  CHECK(schedule.at(1250) == doctest::Approx(4e-4 * 0.55));
  CHECK(schedule.at(2500) == doctest::Approx(4e-4));
  CHECK(schedule.at(1192093) == doctest::Approx(4e-5));
  CHECK(schedule.at(2000000) == doctest::Approx(4e-5));
  for (const int64_t step : {2501, 100000, 596046, 1192000}) {
    const double p = static_cast<double>(step - 2500) / (1192093.0 - 2500.0);
    const double expected = 4e-5 + 3.6e-4 * (1 + std::cos(3.14159265358979323846 * p)) / 2;
    CHECK(schedule.at(step) == doctest::Approx(expected));
  }
}

TEST_CASE("schedule: a warm-up that nobody chose is a tenth of the run, at most 100 steps") {
  ScheduleOptions options;
  options.schedule = "constant";
  options.warmup_start_factor = 0.5;
  CHECK(Schedule(options, 1.0, 20).at(1) == doctest::Approx(0.75));
  CHECK(Schedule(options, 1.0, 20).at(2) == 1.0);
  CHECK(Schedule(options, 1.0, 5).at(0) == 1.0);
  CHECK(Schedule(options, 1.0, 5000).at(99) == doctest::Approx(0.995));
  CHECK(Schedule(options, 1.0, 5000).at(100) == 1.0);
}

TEST_CASE("schedule: the anneal falls linearly from where the course ended to zero") {
  ScheduleOptions options;
  options.warmup_steps = 0;
  options.anneal_steps = 23842;
  const int64_t total = 100000 + 23842;
  const Schedule schedule(options, 4e-4, total);
  CHECK(schedule.at(100000) == doctest::Approx(4e-5));
  CHECK(schedule.at(100000 + 11921) == doctest::Approx(2e-5));
  CHECK(schedule.at(total) == 0.0);
  options.anneal_steps = 11;
  CHECK_THROWS_AS(Schedule(options, 1.0, 10), Error);
}

TEST_CASE("schedule: stable until the last share, then down by either shape") {
  ScheduleOptions options;
  options.schedule = "wsd";
  options.warmup_steps = 10;
  options.warmup_start_factor = 0.0;
  options.final_factor = 0.0;
  options.decay_share = 0.2;
  for (const char* shape : {"sqrt", "linear"}) {
    options.decay_shape = shape;
    const Schedule schedule(options, 1.0, 100);
    CHECK(schedule.at(0) == 0.0);
    CHECK(schedule.at(5) == doctest::Approx(0.5));
    CHECK(schedule.at(10) == 1.0);
    CHECK(schedule.at(80) == 1.0);
    CHECK(schedule.at(85) == doctest::Approx(shape[0] == 's' ? 0.5 : 0.75));
    CHECK(schedule.at(100) == doctest::Approx(0.0));
  }
}

TEST_CASE("schedule: linear and constant") {
  ScheduleOptions options;
  options.warmup_steps = 0;
  options.schedule = "linear";
  CHECK(Schedule(options, 1.0, 100).at(50) == doctest::Approx(0.55));
  options.schedule = "constant";
  CHECK(Schedule(options, 1.0, 100).at(99) == 1.0);
}

TEST_CASE("outliers: what is not finite is skipped and leaves no trace") {
  OutlierDetector detector(128, 6.0);
  CHECK(detector.is_outlier(std::numeric_limits<double>::quiet_NaN(), 1.0));
  CHECK(detector.is_outlier(1.0, std::numeric_limits<double>::infinity()));
  CHECK(detector.losses().empty());
}

TEST_CASE("outliers: judged from half a window on, against mean and deviation") {
  OutlierDetector detector(8, 6.0);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(detector.is_outlier(i == 0 ? 100.0 : 1.0, 1.0));
  OutlierDetector steady(8, 6.0);
  for (int i = 0; i < 4; ++i) CHECK_FALSE(steady.is_outlier(i % 2 ? 1.1 : 0.9, 1.0 + 0.1 * i));
  OutlierDetector copy(8, 6.0);
  copy.restore(steady.losses(), steady.norms());
  CHECK_FALSE(steady.is_outlier(1.5, 1.2));
  CHECK(copy.is_outlier(1.8, 1.2));          // the loss is 6.9 deviations up
  CHECK(steady.is_outlier(1.0, 50.0));       // the norm alone
  CHECK_FALSE(steady.is_outlier(0.1, 1.0));  // a fall is welcome
}

// A model whose parameters are of both types.
struct AdamWCase {
  explicit AdamWCase(const char* precision, int threads) : machine(threads) {
    TrainConfig config = tiny_config();
    spec = build_spec(config, kTinyVocab, -1, -1);
    parameters = std::make_shared<model::Parameters>(
        machine.ctx, spec, precision[0] == 'f' ? DType::f32 : DType::bf16);
    gradients = std::make_unique<Gradients>(machine.ctx, parameters);
    for (int64_t i = 0; i < parameters->size(); ++i) {
      const RandomStream random(3, static_cast<uint64_t>(i));
      const std::span<float> values = gradients->tensor(i).span<float>();
      for (size_t j = 0; j < values.size(); ++j) values[j] = random.uniform_at(j) - 0.5f;
    }
  }
  Machine machine;
  model::ModelSpec spec;
  std::shared_ptr<model::Parameters> parameters;
  std::unique_ptr<Gradients> gradients;
};

TEST_CASE("adamw: three steps of every parameter equal the formula in f64") {
  for (const char* precision : {"f32", "bf16"}) {
    for (const bool decay_all : {true, false}) {
      AdamWCase test(precision, 2);
      AdamWOptions options;
      options.decay_norms_and_embeddings = decay_all;
      AdamW optimizer(test.machine.ctx, test.parameters, options);
      for (int64_t i = 0; i < test.parameters->size(); ++i) {
        model::initialise(test.machine.ctx, test.spec, test.parameters->specs()[i], 5,
                          optimizer.master(i));
      }
      optimizer.publish(test.machine.ctx);
      std::vector<std::vector<float>> before;
      for (int64_t i = 0; i < test.parameters->size(); ++i) {
        const auto values = optimizer.master(i).span<float>();
        before.emplace_back(values.begin(), values.end());
      }
      const double rates[] = {1e-3, 2e-3, 5e-4};
      for (const double rate : rates) {
        optimizer.step(test.machine.ctx, *test.gradients, rate, 0.25);
      }
      CHECK(optimizer.steps() == 3);
      for (int64_t i = 0; i < test.parameters->size(); ++i) {
        const auto kind = test.parameters->specs()[i].kind;
        const bool decays = decay_all || (kind != model::ParameterKind::norm &&
                                          kind != model::ParameterKind::embedding);
        double worst = 0.0;
        const auto after = optimizer.master(i).span<float>();
        for (size_t j = 0; j < after.size(); ++j) {
          double w = before[i][j];
          double m = 0.0;
          double v = 0.0;
          for (int t = 1; t <= 3; ++t) {
            const double g = 0.25 * test.gradients->tensor(i).span<float>()[j];
            m = 0.9 * m + 0.1 * g;
            v = 0.95 * v + 0.05 * g * g;
            const double direction =
                m / (1 - std::pow(0.9, t)) / (std::sqrt(v / (1 - std::pow(0.95, t))) + 1e-8);
            w -= rates[t - 1] * ((decays ? 0.1 * w : 0.0) + direction);
          }
          worst = std::max(worst, std::fabs(w - after[j]));
        }
        CAPTURE(test.parameters->specs()[i].name);
        CHECK(worst < 2e-7 * 3 + 1e-6);
        const Tensor& parameter = test.parameters->tensor(i);
        if (parameter.dtype() == DType::bf16) {
          for (size_t j = 0; j < after.size(); ++j) {
            REQUIRE(parameter.data<bf16>()[j].bits == to_bf16(after[j]).bits);
          }
        } else {
          CHECK(parameter.identity() == optimizer.master(i).identity());
        }
      }
    }
  }
}

TEST_CASE("gradients: the norm has the same bits for any number of threads") {
  AdamWCase one("bf16", 1);
  double squares = 0.0;
  for (int64_t i = 0; i < one.gradients->size(); ++i) {
    for (const float g : one.gradients->tensor(i).span<float>()) {
      squares += static_cast<double>(g) * static_cast<double>(g);
    }
  }
  const double norm = one.gradients->norm(one.machine.ctx);
  CHECK(norm == doctest::Approx(std::sqrt(squares)).epsilon(1e-6));
  for (const int threads : {2, 3, 4}) {
    AdamWCase other("bf16", threads);
    CHECK(other.gradients->norm(other.machine.ctx) == norm);
  }
  CHECK(clipping_factor(norm, 0.0) == 1.0);
  CHECK(clipping_factor(0.5, 1.0) == 1.0);
  CHECK(clipping_factor(4.0, 1.0) == doctest::Approx(0.25));
}

}  // namespace
}  // namespace cadre::train
