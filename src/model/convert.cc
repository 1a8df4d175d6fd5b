#include "model/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string_view>

#include "core/base/file.h"
#include "core/io/json.h"
#include "core/io/safetensors_writer.h"
#include "core/ops/blocks.h"
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

// What compares a parameter's elements in the source with those that were written.
class Comparison {
 public:
  Comparison(Context& ctx, const Weights& source, const Weights& written, int64_t parameter)
      : ctx_(ctx),
        source_(ctx, source),
        written_(written),
        parameter_(parameter),
        spec_(source.parameters()[static_cast<size_t>(parameter)]),
        blocks_(written.block_type(parameter)) {}

  // A number of elements that may be compared at a time: whole rows.
  int64_t chunk() const {
    if (!blocks_) return kChunk;
    const int64_t width = spec_.shape.dim(-1);
    return std::max<int64_t>(kChunk / 2 / width, 1) * width;
  }

  void expect_same(Range elements) {
    if (blocks_) {
      compare_blocks(elements);
    } else {
      compare_elements(elements);
    }
    written_.release(parameter_, elements);
  }

 private:
  [[noreturn]] void fail_different(int64_t element) const {
    fail(ErrorKind::corrupt_data,
         "{} {}: element {} reads back as another value than was written: the disk, the memory or "
         "this program is at fault",
         spec_.name, to_string(spec_.shape), element);
  }

  void compare_elements(Range elements) {
    const DType type = written_.dtype(parameter_);
    const Tensor a = source_.read(parameter_, elements, type);
    const Tensor b = elements_of(ctx_, written_, parameter_, elements, type);
    const auto* x = static_cast<const std::byte*>(a.raw());
    const auto* y = static_cast<const std::byte*>(b.raw());
    if (std::memcmp(x, y, static_cast<size_t>(a.bytes())) == 0) return;
    fail_different(elements.begin +
                   (std::mismatch(x, x + a.bytes(), y).first - x) / dtype_size(type));
  }

  void compare_blocks(Range elements) {
    const int64_t width = spec_.shape.dim(-1);
    const Tensor x = source_.read(parameter_, elements, DType::f32);
    const Tensor blocks = ctx_.empty({block_bytes(*blocks_, x.shape())}, DType::u8);
    const std::span<std::byte> expected = {static_cast<std::byte*>(blocks.raw()),
                                           static_cast<size_t>(blocks.bytes())};
    ops::quantise(ctx_, x.span<float>(), *blocks_, expected);
    const BlockLayout layout = block_layout(*blocks_);
    const std::byte* at = expected.data();
    for (const ops::BlockRows& run :
         written_.blocks(parameter_, {elements.begin / width, elements.end / width})) {
      const int64_t bytes = run.count * run.row_bytes;
      if (std::memcmp(at, run.first, static_cast<size_t>(bytes)) != 0) {
        const auto same = std::mismatch(at, at + bytes, run.first).first - expected.data();
        fail_different(elements.begin + same / layout.bytes * layout.elements);
      }
      at += bytes;
    }
    CADRE_CHECK(at == expected.data() + expected.size());
    expect_finite(x, expected, elements.begin);
  }

  void expect_finite(const Tensor& x, std::span<const std::byte> blocks, int64_t first) const {
    const Tensor values = ctx_.empty(x.shape(), DType::f32);
    ops::dequantise(ctx_, blocks, *blocks_, {0, x.elements()}, DType::f32, values.raw());
    const auto finite = [](float value) { return std::isfinite(value); };
    const std::span<const float> all = x.span<float>();
    for (int64_t i = 0; i < x.elements(); ++i) {
      if (finite(all[static_cast<size_t>(i)]) && finite(values.data<float>()[i])) continue;
      // One value spoils the scale of all in its block.
      const int64_t size = block_layout(*blocks_).elements;
      const int64_t begin = i / size * size;
      const auto block = all.subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
      auto worst = std::ranges::find_if_not(block, finite);
      if (worst == block.end()) {
        worst = std::ranges::max_element(block, {}, [](float value) { return std::fabs(value); });
      }
      fail(ErrorKind::unsupported, "{} {}: element {} is {}, which {} cannot hold", spec_.name,
           to_string(spec_.shape), first + begin + (worst - block.begin()), *worst,
           block_type_name(*blocks_));
    }
  }

  Context& ctx_;
  StreamedElements source_;
  const Weights& written_;
  int64_t parameter_;
  const ParameterSpec& spec_;
  std::optional<BlockType> blocks_;
};

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
  const std::optional<fs::path> from = companion_folder(source);
  if (!from) return;
  copy_tokenizer_files(*from, folder);
  if (fs::is_regular_file(*from / "generation_config.json")) {
    write_file_atomically(folder / "generation_config.json",
                          read_text_file(*from / "generation_config.json"));
  }
  if (!fs::is_regular_file(*from / "config.json")) return;
  const io::JsonView theirs = io::JsonView::read_file(*from / "config.json");
  io::JsonValue ours = io::JsonView::read_file(folder / "config.json").value();
  for (const std::string& key : theirs.keys()) {
    if (ours.find(key) == nullptr && !is_about_storage(key)) ours.set(key, theirs.at(key).value());
  }
  write_file_atomically(folder / "config.json", ours.pretty() + "\n");
}

void expect_same_weights(Context& ctx, const Weights& source, const Weights& written,
                         const ConvertProgress& progress) {
  const std::vector<ParameterSpec>& parameters = source.parameters();
  CADRE_CHECK(parameters.size() == written.parameters().size());
  int64_t total = 0;
  int64_t done = 0;
  for (const ParameterSpec& parameter : parameters) total += parameter.shape.elements();
  for (size_t p = 0; p < parameters.size(); ++p) {
    Comparison comparison(ctx, source, written, static_cast<int64_t>(p));
    const int64_t count = parameters[p].shape.elements();
    for (int64_t begin = 0; begin < count; begin += comparison.chunk()) {
      const Range range = {begin, std::min(begin + comparison.chunk(), count)};
      comparison.expect_same(range);
      done += range.size();
      progress(done, total);
    }
  }
}

}  // namespace cadre::model
