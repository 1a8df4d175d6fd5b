#include "core/io/float8_source.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/tensor/contents.h"

namespace cadre::io {
namespace {

constexpr int64_t kBlock = 128;

// How a scale's elements spread over the rows and columns of its tensor.
struct Scaling {
  std::string scale;
  int64_t block_rows;
  int64_t block_columns;
};

bool is_float8(const TensorInfo& info) {
  return info.dtype == DType::f8_e4m3 || info.dtype == DType::f8_e5m2;
}

int64_t blocks_in(int64_t extent) { return (extent + kBlock - 1) / kBlock; }

Scaling scaling_of(const TensorSource& source, const TensorInfo& info) {
  const std::string where = source.file_of(info.name).string();
  const TensorInfo* scale = source.find(info.name + "_scale_inv");
  if (scale == nullptr) scale = source.find(info.name + "_scale");
  if (scale == nullptr || info.shape.rank() != 2) {
    fail(ErrorKind::unsupported,
         "{}: \"{}\" is {} {}, expected f32, bf16 or f16, or a matrix with \"{}_scale_inv\" beside "
         "it",
         where, info.name, dtype_name(info.dtype), to_string(info.shape), info.name);
  }
  const int64_t rows = info.shape.dim(0);
  const int64_t columns = info.shape.dim(1);
  const bool known_type =
      scale->dtype == DType::f32 || scale->dtype == DType::bf16 || scale->dtype == DType::f16;
  if (known_type && scale->shape.elements() == 1) return {scale->name, rows, columns};
  if (known_type && scale->shape == Shape{rows, 1}) return {scale->name, 1, columns};
  if (known_type && scale->shape == Shape{blocks_in(rows), blocks_in(columns)}) {
    return {scale->name, kBlock, kBlock};
  }
  fail(ErrorKind::unsupported, "{}: \"{}\" is {} {}, expected f32, bf16 or f16 of [1], {} or {}",
       where, scale->name, dtype_name(scale->dtype), to_string(scale->shape),
       to_string(Shape{rows, 1}), to_string(Shape{blocks_in(rows), blocks_in(columns)}));
}

class Float8Source final : public TensorSource {
 public:
  Float8Source(std::shared_ptr<const TensorSource> source,
               std::unordered_map<std::string, Scaling> scalings)
      : source_(std::move(source)), scalings_(std::move(scalings)) {
    std::unordered_map<std::string, bool> is_scale;
    for (const auto& [name, scaling] : scalings_) is_scale[scaling.scale] = true;
    for (const TensorInfo& info : source_->tensors()) {
      if (is_scale.contains(info.name)) continue;
      tensors_.push_back(info);
      if (scalings_.contains(info.name)) tensors_.back().dtype = DType::bf16;
    }
  }

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  std::span<const std::byte> blocks(std::string_view name) const override {
    return source_->blocks(name);
  }
  std::span<const std::byte> mapped(std::string_view name) const override {
    return source_->mapped(name);
  }
  std::string_view stored_type(std::string_view name) const override {
    return source_->stored_type(name);
  }
  const std::filesystem::path& file_of(std::string_view name) const override {
    return source_->file_of(name);
  }
  void release(std::string_view name) const override { source_->release(name); }

  bool is_made(std::string_view name) const override {
    return scalings_.contains(std::string(name)) || source_->is_made(name);
  }

  Tensor tensor(std::string_view name) const override {
    if (!scalings_.contains(std::string(name))) return source_->tensor(name);
    Tensor product = Tensor::empty(find(name)->shape, DType::bf16);
    make(name, {0, product.elements()}, product.raw());
    return product;
  }

  void make(std::string_view name, Range elements, void* out) const override {
    const auto found = scalings_.find(std::string(name));
    if (found == scalings_.end()) return source_->make(name, elements, out);
    const Scaling& scaling = found->second;
    const Tensor stored = source_->tensor(name);
    const std::vector<float> scale = f32_values(source_->tensor(scaling.scale));
    const int64_t columns = stored.dim(1);
    const int64_t scales_in_row = (columns + scaling.block_columns - 1) / scaling.block_columns;
    std::array<float, 256> values{};
    for (size_t bits = 0; bits < values.size(); ++bits) {
      values[bits] = stored.dtype() == DType::f8_e4m3 ? f8_e4m3_to_f32(static_cast<uint8_t>(bits))
                                                      : f8_e5m2_to_f32(static_cast<uint8_t>(bits));
    }
    const auto* from = static_cast<const uint8_t*>(stored.raw());
    auto* to = static_cast<bf16*>(out);
    for (int64_t at = elements.begin; at < elements.end;) {
      const int64_t row = at / columns;
      const float* own = scale.data() + row / scaling.block_rows * scales_in_row;
      const int64_t end = std::min(elements.end, (row + 1) * columns);
      for (; at < end; ++at) {
        const float factor = own[(at - row * columns) / scaling.block_columns];
        *to++ = to_bf16(values[from[at]] * factor);
      }
    }
  }

 private:
  std::shared_ptr<const TensorSource> source_;
  std::unordered_map<std::string, Scaling> scalings_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

float f8_e4m3_to_f32(uint8_t bits) {
  const int exponent = (bits >> 3) & 15;
  const int fraction = bits & 7;
  float magnitude = std::ldexp(static_cast<float>(exponent == 0 ? fraction : fraction + 8),
                               std::max(exponent, 1) - 10);
  if (exponent == 15 && fraction == 7) magnitude = std::numeric_limits<float>::quiet_NaN();
  return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

float f8_e5m2_to_f32(uint8_t bits) { return to_f32(f16{static_cast<uint16_t>(bits << 8)}); }

uint8_t f32_to_f8_e4m3(float value) {
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  if (std::isnan(value)) return sign | 0x7f;
  const float magnitude = std::min(std::fabs(value), 448.0f);
  if (magnitude == 0.0f) return sign;
  // Numbers from 2^exponent have steps of 2^(exponent - 3), and all below 2^-6 those of 2^-9.
  const int exponent = std::max(std::ilogb(magnitude), -6);
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 3 - exponent)));
  // Sixteen steps are eight of the next exponent, whose bits follow on.
  return static_cast<uint8_t>(sign | (((exponent + 6) << 3) + steps));
}

std::shared_ptr<const TensorSource> with_scaled_float8(std::shared_ptr<const TensorSource> source) {
  std::unordered_map<std::string, Scaling> scalings;
  for (const TensorInfo& info : source->tensors()) {
    if (is_float8(info)) scalings.emplace(info.name, scaling_of(*source, info));
  }
  if (scalings.empty()) return source;
  return std::make_shared<const Float8Source>(std::move(source), std::move(scalings));
}

}  // namespace cadre::io
