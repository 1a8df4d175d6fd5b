#include "model/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string_view>

#include "core/base/file.h"
#include "core/io/json.h"
#include "core/io/safetensors_writer.h"
#include "model/families/family.h"
#include "model/hf.h"

namespace cadre::model {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kChunk = int64_t{16} << 20;  // elements compared at a time

const NameLayout& layout_of(const ModelSpec& spec, const HfOptions& options) {
  const Family& family = find_family(spec.architecture);
  if (!options.packed_experts) return family.layouts.front();
  for (const NameLayout& layout : family.layouts) {
    if (layout.description == "experts packed") return layout;
  }
  fail(ErrorKind::unsupported, "{}: there is no layout with packed experts", spec.architecture);
}

LayoutWriter writer_of(const Weights& weights, const ModelSpec& spec, const HfOptions& options) {
  return LayoutWriter(
      layout_of(spec, options), spec,
      [&](int64_t parameter) { return options.dtype.value_or(weights.dtype(parameter)); },
      find_family(spec.architecture).stores_tied_head);
}

// Keys of a configuration that speak of how tensors were stored or who wrote the file.
bool is_about_storage(std::string_view key) {
  constexpr std::array<std::string_view, 5> kKeys = {
      "quantization_config", "quantization", "torch_dtype", "dtype", "transformers_version"};
  return std::ranges::find(kKeys, key) != kKeys.end();
}

// The position of the first element in which they differ beyond the tolerance, or -1.
int64_t first_difference(const float* a, const float* b, int64_t count, double tolerance) {
  constexpr int64_t kNeighbours = 32;
  for (int64_t begin = 0; begin < count; begin += kNeighbours) {
    const int64_t end = std::min(begin + kNeighbours, count);
    float largest = 0.0f;
    for (int64_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(a[i]));
    for (int64_t i = begin; i < end; ++i) {
      if (!(std::fabs(static_cast<double>(a[i]) - b[i]) <= tolerance * largest)) return i;
    }
  }
  return -1;
}

int64_t first_different_byte(const Tensor& a, const Tensor& b) {
  const auto* x = static_cast<const std::byte*>(a.raw());
  const auto* y = static_cast<const std::byte*>(b.raw());
  if (std::memcmp(x, y, static_cast<size_t>(a.bytes())) == 0) return -1;
  return std::mismatch(x, x + a.bytes(), y).first - x;
}

}  // namespace

Tensor StreamedElements::read(int64_t parameter, Range elements, DType type) {
  release();
  parameter_ = parameter;
  elements_ = elements;
  return elements_of(ctx_, weights_, parameter, elements, type);
}

void StreamedElements::release() {
  if (parameter_ >= 0) weights_.release(parameter_, elements_);
  parameter_ = -1;
}

int64_t hf_weight_bytes(const Weights& weights, const ModelSpec& spec, const HfOptions& options) {
  return writer_of(weights, spec, options).bytes();
}

void write_hf_weights(Context& ctx, const fs::path& folder, const Weights& weights,
                      const ModelSpec& spec, const HfOptions& options,
                      const ConvertProgress& progress) {
  const LayoutWriter writer = writer_of(weights, spec, options);
  const int64_t total = writer.bytes();
  int64_t done = 0;
  StreamedElements elements(ctx, weights);
  const ElementSource source = [&](int64_t parameter, Range range, DType type) {
    progress(done, total);
    done += range.size() * dtype_size(type);
    return elements.read(parameter, range, type);
  };
  io::ShardedSafetensorsWriter files(folder, writer.entries(), options.max_shard_bytes);
  for (const io::TensorEntry& entry : files.entries()) {
    writer.write(ctx, entry.name, source, files);
  }
  files.finish();
  progress(total, total);
}

void write_hf_files(const fs::path& folder, const fs::path& source, const ModelSpec& spec,
                    DType dtype) {
  write_config_files(folder, spec, dtype);
  const fs::path from = fs::is_directory(source) ? source : source.parent_path();
  copy_tokenizer_files(from, folder);
  if (fs::is_regular_file(from / "generation_config.json")) {
    write_file_atomically(folder / "generation_config.json",
                          read_text_file(from / "generation_config.json"));
  }
  if (!fs::is_regular_file(from / "config.json")) return;
  const io::JsonView theirs = io::JsonView::read_file(from / "config.json");
  io::JsonValue ours = io::JsonView::read_file(folder / "config.json").value();
  for (const std::string& key : theirs.keys()) {
    if (ours.find(key) == nullptr && !is_about_storage(key)) ours.set(key, theirs.at(key).value());
  }
  write_file_atomically(folder / "config.json", ours.pretty() + "\n");
}

void expect_same_weights(Context& ctx, const Weights& source, const Weights& written,
                         const std::function<double(int64_t parameter)>& tolerance,
                         const ConvertProgress& progress) {
  const std::vector<ParameterSpec>& parameters = source.parameters();
  CADRE_CHECK(parameters.size() == written.parameters().size());
  int64_t total = 0;
  int64_t done = 0;
  for (const ParameterSpec& parameter : parameters) total += parameter.shape.elements();
  StreamedElements expected(ctx, source);
  StreamedElements found(ctx, written);
  for (size_t p = 0; p < parameters.size(); ++p) {
    const auto index = static_cast<int64_t>(p);
    const int64_t count = parameters[p].shape.elements();
    const double allowed = tolerance(index);
    const DType type = allowed > 0.0 ? DType::f32 : written.dtype(index);
    for (int64_t begin = 0; begin < count; begin += kChunk) {
      const Range range = {begin, std::min(begin + kChunk, count)};
      const Tensor a = expected.read(index, range, type);
      const Tensor b = found.read(index, range, type);
      int64_t at = allowed > 0.0
                       ? first_difference(a.data<float>(), b.data<float>(), range.size(), allowed)
                       : first_different_byte(a, b);
      if (at >= 0) {
        if (allowed == 0.0) at /= dtype_size(type);
        fail(ErrorKind::corrupt_data,
             "{} {}: element {} reads back as another value than was written: the disk, the "
             "memory or this program is at fault",
             parameters[p].name, to_string(parameters[p].shape), begin + at);
      }
      done += range.size();
      progress(done, total);
    }
  }
}

}  // namespace cadre::model
