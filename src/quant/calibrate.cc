#include "quant/calibrate.h"

#include <algorithm>

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
  SquareSums(Context& ctx, Importance& importance) : ctx_(ctx), importance_(importance) {}

  void saw(int64_t parameter, std::span<const int64_t> matrices, const Tensor& x,
           std::span<const int64_t> offsets) override {
    const model::ParameterSpec& spec = importance_.parameters()[static_cast<size_t>(parameter)];
    if (!model::can_be_packed(spec)) return;
    const model::MatrixShape shape = model::matrix_shape(spec);
    InputStatistics& statistics = importance_.of(parameter);
    if (statistics.matrices == 0) {
      statistics.matrices = shape.count;
      statistics.columns = shape.k;
      statistics.squares.assign(static_cast<size_t>(shape.count * shape.k), 0.0);
      statistics.tokens.assign(static_cast<size_t>(shape.count), 0.0);
    }
    CADRE_CHECK(x.dim(1) == shape.k && offsets.size() == matrices.size() + 1);
    for (size_t g = 0; g < matrices.size(); ++g) {
      CADRE_CHECK(0 <= matrices[g] && matrices[g] < shape.count);
      statistics.tokens[static_cast<size_t>(matrices[g])] +=
          static_cast<double>(offsets[g + 1] - offsets[g]);
    }
    ctx_.for_blocks(shape.k, kColumnsAtATime, [&](Range columns) {
      for (size_t g = 0; g < matrices.size(); ++g) {
        const Range rows = {offsets[g], offsets[g + 1]};
        double* sums = statistics.squares.data() + matrices[g] * shape.k;
        if (x.dtype() == DType::f32) {
          add_squares(x.data<float>(), shape.k, rows, columns, sums);
        } else {
          add_squares(x.data<bf16>(), shape.k, rows, columns, sums);
        }
      }
    });
  }

 private:
  Context& ctx_;
  Importance& importance_;
};

// Rows of an embedding are picked, not multiplied.
bool is_multiplied(const model::ParameterSpec& parameter) {
  return model::can_be_packed(parameter) && parameter.kind != model::ParameterKind::embedding;
}

void expect_observable(const model::Parameters& parameters) {
  for (int64_t p = 0; p < parameters.size(); ++p) {
    const model::ParameterSpec& spec = parameters.specs()[static_cast<size_t>(p)];
    const ops::Weight& weight = parameters.weight(p);
    if (!is_multiplied(spec) || !weight.packed.defined()) continue;
    fail(ErrorKind::unsupported,
         "{}: its inputs cannot be observed, for it is in few bits already ({}), expected dense "
         "weights",
         spec.name, packed_format_name(weight.packed.format));
  }
}

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
  expect_observable(parameters);
  Importance importance(parameters.specs());
  SquareSums sums(ctx, importance);
  const int64_t head = parameters.index_of(spec.tied_embeddings ? "embedding" : "head");
  const Observing observing(ctx, sums);
  for (int64_t begin = 0; begin < count; begin += context) {
    const int64_t end = std::min(begin + context, count);
    const int64_t start = 0;
    const nn::ForwardInput input =
        model::packed_input({tokens.begin() + begin, tokens.begin() + end}, std::span(&start, 1));
    const Tensor hidden = decoder.hidden(ctx, input, nullptr);
    const int64_t rows[] = {0, hidden.dim(0)};
    const int64_t matrix[] = {0};
    // What the head would read; its logits are of no interest.
    sums.saw(head, matrix, hidden, rows);
    if (progress) progress(end);
  }
  for (int64_t p = 0; p < parameters.size(); ++p) {
    for (double& sum : importance.of(p).squares) sum = static_cast<float>(sum);
    CADRE_CHECK(!is_multiplied(parameters.specs()[static_cast<size_t>(p)]) ||
                importance.of(p).matrices > 0);
  }
  return importance;
}

}  // namespace cadre::quant
