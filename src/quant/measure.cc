#include "quant/measure.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <variant>

#include "core/ops/blocks.h"
#include "model/convert.h"

namespace cadre::quant {
namespace {

constexpr int64_t kChunk = int64_t{4} << 20;  // elements compared at a time

// Columns' importance of the matrix that holds an element, kept while the matrix stays the same.
class MatrixImportance {
 public:
  MatrixImportance(const Importance& importance, int64_t parameter)
      : importance_(importance),
        parameter_(parameter),
        shape_(model::matrix_shape(importance.parameters()[static_cast<size_t>(parameter)])),
        shares_(importance.shares(parameter)) {}

  int64_t width() const { return shape_.k; }
  int64_t matrix_of(int64_t element) const { return element / shape_.elements(); }
  std::span<const float> columns(int64_t matrix) {
    if (matrix != matrix_) columns_ = importance_.columns(parameter_, matrix);
    matrix_ = matrix;
    return columns_;
  }
  double share(int64_t matrix) const { return shares_[static_cast<size_t>(matrix)]; }

 private:
  const Importance& importance_;
  int64_t parameter_;
  model::MatrixShape shape_;
  std::vector<double> shares_;
  int64_t matrix_ = -1;
  std::vector<float> columns_;
};

// Of one row.
RoundingError row_error(const float* w, const float* rounded, int64_t width,
                        std::span<const float> importance, double share) {
  RoundingError error;
  for (int64_t i = 0; i < width; ++i) {
    const double weight = importance.empty() ? 1.0 : importance[static_cast<size_t>(i)];
    const double change = static_cast<double>(rounded[i]) - w[i];
    error.lost += weight * change * change;
    error.kept += weight * w[i] * w[i];
  }
  return {share * error.lost, share * error.kept};
}

// w as `type` holds it, again in f32.
void round_trip(Context& ctx, std::span<const float> w, const io::StoredType& type, int64_t width,
                std::span<const float> importance, std::span<float> out) {
  if (const auto* blocks = std::get_if<BlockType>(&type)) {
    const auto count = static_cast<int64_t>(w.size());
    std::vector<std::byte> bytes(static_cast<size_t>(block_bytes(*blocks, {count})));
    ops::round_blocks(ctx, w, *blocks, {.width = width, .importance = importance}, bytes);
    ops::dequantise(ctx, bytes, *blocks, {0, count}, DType::f32, out.data());
    return;
  }
  const DType dtype = std::get<DType>(type);
  std::vector<std::byte> bytes(w.size() * static_cast<size_t>(dtype_size(dtype)));
  const Range all = {0, static_cast<int64_t>(w.size())};
  ctx.kernels().cast({w.data(), DType::f32, bytes.data(), dtype}, all);
  ctx.kernels().cast({bytes.data(), dtype, out.data(), DType::f32}, all);
}

void expect_plausible(const RoundingError& error, const model::ParameterSpec& parameter) {
  // Two bits lose about a third; what loses nine tenths is another weight.
  if (std::isfinite(error.lost) && std::isfinite(error.kept) && error.relative() < 0.9) return;
  fail(ErrorKind::corrupt_data,
       "{} {}: reads back with an error of {:.3g} of its size: its values are not finite, or the "
       "disk, the memory or this program is at fault",
       parameter.name, to_string(parameter.shape), error.relative());
}

}  // namespace

double RoundingError::relative() const {
  if (lost == 0.0) return 0.0;
  return std::sqrt(lost / kept);
}

std::vector<RoundingError> sample_errors(Context& ctx, const model::Weights& weights,
                                         const Importance& importance, const OutputTensor& tensor,
                                         std::span<const io::StoredType> types,
                                         int64_t max_elements) {
  MatrixImportance matrices(importance, tensor.parameter);
  const int64_t width = tensor.width;
  const int64_t rows = tensor.shape.elements() / width;
  const int64_t wanted = std::clamp<int64_t>(max_elements / width, 1, rows);
  std::vector<RoundingError> errors(types.size());
  // Rows of a matrix are gathered and rounded together.
  std::vector<float> gathered;
  std::vector<float> rounded;
  int64_t matrix = -1;
  const auto flush = [&] {
    if (gathered.empty()) return;
    const std::span<const float> columns = matrices.columns(matrix);
    rounded.resize(gathered.size());
    for (size_t t = 0; t < types.size(); ++t) {
      round_trip(ctx, gathered, types[t], width, columns, rounded);
      for (size_t at = 0; at < gathered.size(); at += static_cast<size_t>(width)) {
        errors[t] += row_error(gathered.data() + at, rounded.data() + at, width, columns,
                               matrices.share(matrix));
      }
    }
    gathered.clear();
  };
  model::StreamedElements elements(ctx, weights);
  size_t piece = 0;
  int64_t before = 0;  // rows of earlier pieces
  for (int64_t i = 0; i < wanted; ++i) {
    const int64_t row = i * rows / wanted;
    while (row >= before + tensor.pieces[piece].elements / width) {
      before += tensor.pieces[piece++].elements / width;
    }
    const int64_t begin = tensor.pieces[piece].offset + (row - before) * width;
    if (matrices.matrix_of(begin) != matrix) {
      flush();
      matrix = matrices.matrix_of(begin);
    }
    const Tensor values = elements.read(tensor.parameter, {begin, begin + width}, DType::f32);
    gathered.insert(gathered.end(), values.data<float>(), values.data<float>() + width);
  }
  flush();
  return errors;
}

std::vector<RoundingError> measure_written(Context& ctx, const model::Weights& source,
                                           const model::Weights& written,
                                           const Importance& importance,
                                           const std::function<void(int64_t done)>& progress) {
  const std::vector<model::ParameterSpec>& parameters = source.parameters();
  CADRE_CHECK(parameters.size() == written.parameters().size());
  std::vector<RoundingError> errors(parameters.size());
  int64_t done = 0;
  for (size_t p = 0; p < parameters.size(); ++p) {
    const auto index = static_cast<int64_t>(p);
    MatrixImportance matrices(importance, index);
    const int64_t width = matrices.width();
    const int64_t rows = parameters[p].shape.elements() / width;
    const int64_t step = std::max<int64_t>(1, kChunk / width);
    model::StreamedElements expected(ctx, source);
    model::StreamedElements found(ctx, written);
    for (int64_t first = 0; first < rows; first += step) {
      const int64_t count = std::min(step, rows - first);
      const Range range = {first * width, (first + count) * width};
      const Tensor a = expected.read(index, range, DType::f32);
      const Tensor b = found.read(index, range, DType::f32);
      for (int64_t row = 0; row < count; ++row) {
        const int64_t matrix = matrices.matrix_of((first + row) * width);
        errors[p] += row_error(a.data<float>() + row * width, b.data<float>() + row * width, width,
                               matrices.columns(matrix), matrices.share(matrix));
      }
      done += range.size();
      if (progress) progress(done);
    }
    expect_plausible(errors[p], parameters[p]);
    if (!model::can_be_packed(parameters[p]) && errors[p].lost != 0.0) {
      fail(ErrorKind::corrupt_data, "{} {}: reads back with other values than were written",
           parameters[p].name, to_string(parameters[p].shape));
    }
  }
  return errors;
}

}  // namespace cadre::quant
