#include "quant/calibrate.h"

#include <doctest/doctest.h>

#include <cmath>

#include "model/expert_cache.h"
#include "tests/expect_error.h"
#include "tests/quant/quant_case.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

using quant::Importance;

std::vector<double> column_squares(const Tensor& x) {
  std::vector<double> sums(static_cast<size_t>(x.dim(1)), 0.0);
  for (int64_t i = 0; i < x.elements(); ++i) {
    const double value = x.data<float>()[i];
    sums[static_cast<size_t>(i % x.dim(1))] += value * value;
  }
  return sums;
}

void check_close(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-5));
  }
}

struct Calibrated {
  Calibrated(int threads, DType compute, int64_t context) : machine(threads) {
    parameters = random_parameters(machine.ctx, quant_spec(), compute, 3);
    decoder = std::make_unique<model::Decoder>(quant_spec(), parameters);
    importance = std::make_unique<Importance>(
        quant::calibrate(machine.ctx, *decoder, quant_tokens(50), {.context = context}, {}));
  }
  const quant::InputStatistics& of(const char* name) const {
    return importance->of(parameters->index_of(name));
  }

  Machine machine;
  std::shared_ptr<model::Parameters> parameters;
  std::unique_ptr<model::Decoder> decoder;
  std::unique_ptr<Importance> importance;
};

TEST_CASE("calibrate: sums are those of the inputs, by their definition") {
  const Calibrated c(2, DType::f32, 50);
  const auto tokens = quant_tokens(50);
  const int64_t start = 0;
  nn::ForwardTrace trace;
  Context ctx(const_cast<ThreadPool&>(c.machine.pool), kernels::scalar_table(),
              Allocator::create());
  const Tensor hidden = c.decoder->hidden(ctx, model::packed_input(tokens, {&start, 1}), &trace);
  check_close(c.of("head").squares, column_squares(hidden));

  // The first block reads the normalised embedding.
  const Tensor& embedding = c.parameters->tensor("embedding");
  const Tensor& norm = c.parameters->tensor("blocks.0.attention_norm");
  const Tensor first = Tensor::empty({50, 256}, DType::f32);
  for (int64_t n = 0; n < 50; ++n) {
    const float* row = embedding.data<float>() + tokens[static_cast<size_t>(n)] * 256;
    double squares = 0.0;
    for (int64_t i = 0; i < 256; ++i) squares += static_cast<double>(row[i]) * row[i];
    const double scale = 1.0 / std::sqrt(squares / 256 + quant_spec().rms_norm_eps);
    for (int64_t i = 0; i < 256; ++i) {
      first.data<float>()[n * 256 + i] = static_cast<float>(row[i] * scale * norm.data<float>()[i]);
    }
  }
  for (const char* name : {"query", "key", "value"}) {
    const auto& found = c.of(("blocks.0.attention." + std::string(name)).c_str());
    CHECK(found.tokens == std::vector<double>{50.0});
    check_close(found.squares, column_squares(first));
  }

  // Experts saw the tokens that the router sent them.
  const auto coverage = c.importance->coverage();
  REQUIRE(coverage.size() == 2);
  for (const quant::ExpertCoverage& layer : coverage) {
    std::vector<double> expected(4, 0.0);
    const auto l = static_cast<size_t>(layer.layer);
    for (const int32_t e : trace.routers[l].experts.span<int32_t>()) {
      expected[static_cast<size_t>(e)] += 1.0;
    }
    CHECK(layer.tokens == expected);
    const auto& down = c.of(("blocks." + std::to_string(layer.layer) + ".experts.down").c_str());
    CHECK(down.tokens == expected);
    CHECK(down.columns == 96);
  }
}

TEST_CASE("calibrate: the same bits with any number of threads, and in bf16 about the same sums") {
  const Calibrated one(1, DType::f32, 16);
  const Calibrated three(3, DType::f32, 16);
  const Calibrated rounded(2, DType::bf16, 16);
  for (size_t p = 0; p < one.parameters->specs().size(); ++p) {
    const auto index = static_cast<int64_t>(p);
    CHECK(one.importance->of(index).squares == three.importance->of(index).squares);
    CHECK(one.importance->of(index).tokens == three.importance->of(index).tokens);
  }
  const double f32 = one.of("blocks.0.attention.query").squares.front();
  CHECK(rounded.of("blocks.0.attention.query").squares.front() ==
        doctest::Approx(f32).epsilon(0.02));
}

TEST_CASE("importance: experts with few tokens are drawn to the mean of their layer") {
  std::vector<model::ParameterSpec> parameters = {
      {"blocks.7.experts.down", {3, 5, 2}, model::ParameterKind::expert, 10}};
  Importance importance(parameters);
  CHECK(importance.columns(0, 1).empty());
  CHECK_FALSE(importance.knows(0));
  // Expert 0 met 100 tokens, expert 1 none, expert 2 four.
  importance.of(0) = {3, 2, {100.0, 300.0, 0.0, 0.0, 40.0, 0.0}, {100.0, 0.0, 4.0}};
  const double mean0 = 140.0 / 104.0;
  const double mean1 = 300.0 / 104.0;
  const auto check = [&](int64_t expert, double first, double second) {
    const std::vector<float> columns = importance.columns(0, expert);
    REQUIRE(columns.size() == 2);
    const double average = (first + second) / 2;
    CHECK(columns[0] == doctest::Approx(first / average));
    CHECK(columns[1] == doctest::Approx(second / average));
  };
  check(0, (100.0 + 32 * mean0) / 132, (300.0 + 32 * mean1) / 132);
  check(1, mean0, mean1);
  check(2, (40.0 + 32 * mean0) / 36, (32 * mean1) / 36);
  const std::vector<double> shares = importance.shares(0);
  CHECK(shares[0] == doctest::Approx(132.0 / 200));
  CHECK(shares[1] == doctest::Approx(32.0 / 200));
  CHECK(importance.coverage().front().layer == 7);
  CHECK(importance.coverage().front().unreached() == 1);

  // A column that nothing went through still counts a little.
  importance.of(0) = {3, 2, {100.0, 0.0, 0.0, 0.0, 0.0, 0.0}, {100.0, 0.0, 0.0}};
  CHECK(importance.columns(0, 1)[1] == doctest::Approx(Importance::kFloor));
}

TEST_CASE("calibrate: the same sums where weights stay in files or are read when needed") {
  const ScratchFolder folder;
  Machine machine;
  save_quant_model(machine.ctx, folder.path() / "model");
  const auto sums = [&](const model::LoadOptions& options) {
    const auto loaded = model::load_model(machine.ctx, folder.path() / "model", options);
    CHECK((loaded.experts != nullptr) == (options.memory_bytes > 0));
    return quant::calibrate(machine.ctx, *loaded.decoder, quant_tokens(50), {.context = 16}, {});
  };
  for (const DType compute : {DType::f32, DType::bf16}) {
    model::LoadOptions options = {
        .compute = compute, .format = model::WeightFormat::dense, .map_parts = false};
    const Importance whole = sums(options);
    options.map_parts = true;
    const Importance mapped = sums(options);
    const auto loaded = model::load_model(machine.ctx, folder.path() / "model", options);
    options.memory_bytes = loaded.parameters->bytes() - 1;
    const Importance limited = sums(options);
    for (int64_t p = 0; p < std::ssize(whole.parameters()); ++p) {
      CAPTURE(whole.parameters()[static_cast<size_t>(p)].name);
      for (const Importance* other : {&mapped, &limited}) {
        CHECK(other->of(p).matrices == whole.of(p).matrices);
        CHECK(other->of(p).tokens == whole.of(p).tokens);
        CHECK(other->of(p).squares == whole.of(p).squares);
      }
    }
    CHECK(whole.coverage().size() == 2);
  }
}

TEST_CASE("calibrate: what cannot be is refused") {
  Machine machine;
  const model::Decoder decoder(quant_spec(),
                               random_parameters(machine.ctx, quant_spec(), DType::f32, 3));
  const auto run = [&](int64_t tokens, int64_t context) {
    quant::calibrate(machine.ctx, decoder, quant_tokens(tokens), {.context = context}, {});
  };
  CHECK_THROWS_WITH_AS(run(0, 0), doctest::Contains("no tokens"), Error);
  CHECK_THROWS_WITH_AS(run(9, 65), doctest::Contains("context = 65"), Error);
  CHECK(machine.ctx.observer() == nullptr);
}

TEST_CASE("calibrate: weights in few bits are refused by name before any text is read") {
  const ScratchFolder folder;
  Machine machine;
  save_quant_model(machine.ctx, folder.path() / "model");
  const auto loaded = model::load_model(
      machine.ctx, folder.path() / "model",
      model::LoadOptions{.compute = DType::f32, .format = model::WeightFormat::packed});
  int64_t read = 0;
  const std::string message = error_of(ErrorKind::unsupported, [&] {
    quant::calibrate(machine.ctx, *loaded.decoder, quant_tokens(9), {},
                     [&](int64_t done) { read = done; });
  });
  CHECK(contains(message, "blocks.0.attention.query: its inputs cannot be observed"));
  CHECK(contains(message, "q8_0"));
  CHECK(read == 0);
}

}  // namespace
}  // namespace cadre
