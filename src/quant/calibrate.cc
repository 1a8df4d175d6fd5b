#include "quant/calibrate.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "core/ops/linear_observer.h"

namespace cadre::quant {
namespace {

constexpr int64_t kLongest = 2048;  // tokens of a window unless told otherwise
constexpr int64_t kColumnsAtATime = 64;

double square(float x) { return static_cast<double>(x) * static_cast<double>(x); }

// Adds the squares of rows [begin, end) of x to sums[columns].
template <typename T>
void add_squares(const T* x, int64_t width, Range rows, Range columns, double* sums) {
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t i = columns.begin; i < columns.end; ++i) {
      sums[i] += square(to_f32(x[row * width + i]));
    }
  }
}

class SquareSums final : public LinearObserver {
 public:
  SquareSums(Context& ctx, const model::Parameters& parameters, Importance& importance)
      : ctx_(ctx), importance_(importance) {
    for (int64_t p = 0; p < parameters.size(); ++p) {
      const model::ParameterSpec& spec = parameters.specs()[static_cast<size_t>(p)];
      if (can_round(spec)) by_place_.emplace(parameters.tensor(p).raw(), p);
    }
  }

  void saw(const Tensor& weight, const Tensor& x, std::span<const int64_t> offsets) override {
    const auto found = by_place_.find(weight.raw());
    if (found != by_place_.end()) add(found->second, x, offsets);
  }

  void add(int64_t parameter, const Tensor& x, std::span<const int64_t> offsets) {
    InputStatistics& statistics = importance_.of(parameter);
    const auto matrices = static_cast<int64_t>(offsets.size()) - 1;
    const int64_t width = x.dim(1);
    if (statistics.matrices == 0) {
      statistics.matrices = matrices;
      statistics.columns = width;
      statistics.squares.assign(static_cast<size_t>(matrices * width), 0.0);
      statistics.tokens.assign(static_cast<size_t>(matrices), 0.0);
    }
    CADRE_CHECK(statistics.matrices == matrices && statistics.columns == width);
    for (int64_t e = 0; e < matrices; ++e) {
      const auto i = static_cast<size_t>(e);
      statistics.tokens[i] += static_cast<double>(offsets[i + 1] - offsets[i]);
    }
    ctx_.for_blocks(width, kColumnsAtATime, [&](Range columns) {
      for (int64_t e = 0; e < matrices; ++e) {
        const auto i = static_cast<size_t>(e);
        const Range rows = {offsets[i], offsets[i + 1]};
        double* sums = statistics.squares.data() + e * width;
        if (x.dtype() == DType::f32) {
          add_squares(x.data<float>(), width, rows, columns, sums);
        } else {
          add_squares(x.data<bf16>(), width, rows, columns, sums);
        }
      }
    });
  }

 private:
  Context& ctx_;
  Importance& importance_;
  std::unordered_map<const void*, int64_t> by_place_;
};

// Sets the observer while it lives.
class Observing {
 public:
  Observing(Context& ctx, LinearObserver& observer) : ctx_(ctx) { ctx.set_observer(&observer); }
  ~Observing() { ctx_.set_observer(nullptr); }
  Observing(const Observing&) = delete;
  Observing& operator=(const Observing&) = delete;

 private:
  Context& ctx_;
};

}  // namespace

Importance calibrate(Context& ctx, const model::Decoder& decoder, std::span<const int32_t> tokens,
                     const CalibrationOptions& options,
                     const std::function<void(int64_t)>& progress) {
  const model::ModelSpec& spec = decoder.spec();
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t context =
      options.context == 0 ? std::min(spec.max_positions, kLongest) : options.context;
  if (context < 1 || context > spec.max_positions) {
    fail(ErrorKind::invalid_input, "context = {}, expected 1 to {} (the model's context)", context,
         spec.max_positions);
  }
  if (count == 0) fail(ErrorKind::invalid_input, "the calibration text has no tokens");
  const model::Parameters& parameters = decoder.parameters();
  Importance importance(parameters.specs());
  SquareSums sums(ctx, parameters, importance);
  const int64_t head = parameters.index_of(spec.tied_embeddings ? "embedding" : "head");
  const Observing observing(ctx, sums);
  for (int64_t begin = 0; begin < count; begin += context) {
    const int64_t end = std::min(begin + context, count);
    const int64_t start = 0;
    const nn::ForwardInput input =
        model::packed_input({tokens.begin() + begin, tokens.begin() + end}, std::span(&start, 1));
    const Tensor hidden = decoder.hidden(ctx, input, nullptr);
    const int64_t rows[] = {0, hidden.dim(0)};
    // What the head would read; its logits are of no interest.
    sums.add(head, hidden, rows);
    if (progress) progress(end);
  }
  for (int64_t p = 0; p < parameters.size(); ++p) {
    const model::ParameterSpec& parameter = parameters.specs()[static_cast<size_t>(p)];
    for (double& sum : importance.of(p).squares) sum = static_cast<float>(sum);
    const bool looked_up = parameter.kind == model::ParameterKind::embedding;
    if (!can_round(parameter) || looked_up || importance.of(p).matrices > 0) continue;
    fail(ErrorKind::unsupported, "{}: its inputs cannot be observed, for it is in few bits already",
         parameter.name);
  }
  return importance;
}

}  // namespace cadre::quant
