#include "quant/write_hf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>

#include "core/io/float8_source.h"
#include "core/io/packed_integers.h"
#include "core/io/safetensors_writer.h"
#include "model/families/family.h"
#include "model/layout_writer.h"

namespace cadre::quant {
namespace {

constexpr int64_t kBlock = 128;  // rows and columns that share a scale in fp8

int64_t blocks_in(int64_t extent) { return (extent + kBlock - 1) / kBlock; }

bool is_linear(TensorGroup group) {
  return group == TensorGroup::attention || group == TensorGroup::expert ||
         group == TensorGroup::shared || group == TensorGroup::mlp;
}

// What is stored for one weight, in the order in which it is described.
std::vector<io::TensorEntry> parts_of(const OutputTensor& tensor,
                                      const HfQuantiseOptions& options) {
  const int64_t rows = tensor.shape.dim(0);
  const int64_t columns = tensor.width;
  if (options.scheme == HfScheme::fp8) {
    return {{tensor.name, DType::f8_e4m3, tensor.shape},
            {tensor.name + "_scale_inv", DType::f32, {blocks_in(rows), blocks_in(columns)}}};
  }
  const GroupFormat& format = options.integers;
  const int64_t in_word = 32 / format.bits;
  const int64_t groups = columns / format.group;
  std::vector<io::TensorEntry> parts = {
      {tensor.name + "_packed", DType::i32, {rows, (columns + in_word - 1) / in_word}},
      {tensor.name + "_scale", DType::bf16, {rows, groups}},
      {tensor.name + "_shape", DType::i64, {2}}};
  if (!format.symmetric) {
    parts.push_back(
        {tensor.name + "_zero_point", DType::i32, {(rows + in_word - 1) / in_word, groups}});
  }
  return parts;
}

std::string scheme_name(const HfQuantiseOptions& options) {
  if (options.scheme == HfScheme::fp8) return "fp8 128x128";
  return fmt::format("int{} g{}{}", options.integers.bits, options.integers.group,
                     options.integers.symmetric ? "" : " zero");
}

std::vector<std::byte> bytes_of(const void* data, size_t size) {
  const auto* from = static_cast<const std::byte*>(data);
  return {from, from + size};
}

// The part that says a weight's shape, for which it need not be rounded.
std::vector<std::byte> shape_part(const OutputTensor& tensor) {
  const int64_t extents[] = {tensor.shape.dim(0), tensor.width};
  return bytes_of(extents, sizeof(extents));
}

// The other parts of one weight as bytes, by the name of the part.
using Encoded = std::unordered_map<std::string, std::vector<std::byte>>;

Encoded encode_integers(Context& ctx, const OutputTensor& tensor, std::span<const float> x,
                        std::span<const float> importance, const GroupFormat& format) {
  const GroupedIntegers rounded = round_groups(ctx, x, tensor.width, importance, format);
  std::vector<bf16> scales;
  for (const float scale : rounded.scales) scales.push_back(to_bf16(scale));
  Encoded parts;
  parts[tensor.name + "_packed"] = io::pack_integers(rounded.quants, tensor.width, format.bits);
  parts[tensor.name + "_scale"] = bytes_of(scales.data(), scales.size() * sizeof(bf16));
  if (format.symmetric) return parts;
  // Zero points are packed along rows: as those of the transpose, transposed back word by word.
  const int64_t rows = tensor.shape.dim(0);
  const int64_t groups = tensor.width / format.group;
  std::vector<int8_t> turned;
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t row = 0; row < rows; ++row) {
      turned.push_back(rounded.zeros[static_cast<size_t>(row * groups + g)]);
    }
  }
  const std::vector<std::byte> words = io::pack_integers(turned, rows, format.bits);
  const int64_t in_word = 32 / format.bits;
  const int64_t word_rows = (rows + in_word - 1) / in_word;
  std::vector<std::byte>& zeros = parts[tensor.name + "_zero_point"];
  for (int64_t row = 0; row < word_rows; ++row) {
    for (int64_t g = 0; g < groups; ++g) {
      const auto from = words.begin() + (g * word_rows + row) * 4;
      zeros.insert(zeros.end(), from, from + 4);
    }
  }
  return parts;
}

Encoded encode_fp8(Context& ctx, const OutputTensor& tensor, std::span<const float> x) {
  const int64_t rows = tensor.shape.dim(0);
  const int64_t columns = tensor.width;
  const int64_t across = blocks_in(columns);
  std::vector<float> scales(static_cast<size_t>(blocks_in(rows) * across), 0.0f);
  std::vector<std::byte> values(x.size());
  ctx.for_blocks(blocks_in(rows), 1, [&](Range range) {
    for (int64_t row = range.begin * kBlock; row < std::min(rows, range.end * kBlock); ++row) {
      float* own = scales.data() + row / kBlock * across;
      for (int64_t i = 0; i < columns; ++i) {
        const float magnitude = std::fabs(x[static_cast<size_t>(row * columns + i)]);
        own[i / kBlock] = std::max(own[i / kBlock], magnitude);
      }
    }
    for (int64_t b = range.begin * across; b < range.end * across; ++b) {
      float& scale = scales[static_cast<size_t>(b)];
      scale = scale > 0.0f ? scale / 448.0f : 1.0f;
    }
    for (int64_t row = range.begin * kBlock; row < std::min(rows, range.end * kBlock); ++row) {
      const float* own = scales.data() + row / kBlock * across;
      for (int64_t i = 0; i < columns; ++i) {
        const auto at = static_cast<size_t>(row * columns + i);
        values[at] = std::byte{io::f32_to_f8_e4m3(x[at] / own[i / kBlock])};
      }
    }
  });
  Encoded parts;
  parts[tensor.name] = std::move(values);
  parts[tensor.name + "_scale_inv"] = bytes_of(scales.data(), scales.size() * sizeof(float));
  return parts;
}

}  // namespace

bool set_hf_scheme(std::string_view name, HfQuantiseOptions& options) {
  if (name == "fp8") {
    options.scheme = HfScheme::fp8;
  } else if (name == "int4" || name == "int8") {
    options.scheme = name == "int4" ? HfScheme::int4 : HfScheme::int8;
    options.integers.bits = name == "int4" ? 4 : 8;
  } else {
    return false;
  }
  return true;
}

std::vector<OutputTensor> planned_hf_tensors(const model::Weights& weights,
                                             const model::ModelSpec& spec,
                                             const HfQuantiseOptions& options) {
  const int64_t group = options.integers.group;
  if (group < 8 || group % 8 != 0) {
    fail(ErrorKind::invalid_input, "groups of {}: expected a multiple of 8 columns", group);
  }
  std::vector<OutputTensor> tensors = hf_tensors(spec);
  for (OutputTensor& tensor : tensors) {
    tensor.type = weights.dtype(tensor.parameter);
    const bool fits = options.scheme == HfScheme::fp8 || tensor.width % group == 0;
    if (!is_linear(tensor.group) || tensor.shape.rank() != 2 || !fits) continue;
    tensor.scheme = scheme_name(options);
    for (const io::TensorEntry& part : parts_of(tensor, options)) {
      tensor.scheme_bytes += part.bytes();
    }
  }
  return tensors;
}

io::JsonValue quantization_config(const std::vector<OutputTensor>& tensors,
                                  const HfQuantiseOptions& options) {
  // Modules whose weight is kept: matrices that readers would else expect rounded.
  constexpr std::string_view kWeight = ".weight";
  io::JsonValue kept = io::JsonValue::array();
  for (const OutputTensor& tensor : tensors) {
    if (!tensor.scheme.empty() || tensor.shape.rank() != 2 || !tensor.name.ends_with(kWeight) ||
        tensor.group == TensorGroup::embedding) {
      continue;
    }
    kept.push(tensor.name.substr(0, tensor.name.size() - kWeight.size()));
  }
  io::JsonValue config = io::JsonValue::object();
  if (options.scheme == HfScheme::fp8) {
    config.set("quant_method", "fp8")
        .set("fmt", "e4m3")
        .set("activation_scheme", "dynamic")
        .set("weight_block_size", std::vector<int64_t>{kBlock, kBlock})
        .set("modules_to_not_convert", std::move(kept));
    return config;
  }
  io::JsonValue weights = io::JsonValue::object();
  weights.set("num_bits", options.integers.bits)
      .set("type", "int")
      .set("symmetric", options.integers.symmetric)
      .set("strategy", "group")
      .set("group_size", options.integers.group)
      .set("dynamic", false);
  io::JsonValue group = io::JsonValue::object();
  group.set("targets", std::vector<std::string>{"Linear"}).set("weights", std::move(weights));
  io::JsonValue groups = io::JsonValue::object();
  groups.set("group_0", std::move(group));
  config.set("quant_method", "compressed-tensors")
      .set("format", "pack-quantized")
      .set("quantization_status", "compressed")
      .set("config_groups", std::move(groups))
      .set("ignore", std::move(kept));
  return config;
}

void write_hf_quantised(Context& ctx, const std::filesystem::path& folder,
                        const model::Weights& weights, const model::ModelSpec& spec,
                        const HfQuantiseOptions& options, const Importance& importance,
                        const model::ConvertProgress& progress) {
  const model::Family& family = model::find_family(spec.architecture);
  const model::LayoutWriter layout(
      family.layouts.front(), spec, [&](int64_t parameter) { return weights.dtype(parameter); },
      family.stores_tied_head);
  const std::vector<OutputTensor> tensors = planned_hf_tensors(weights, spec, options);
  std::unordered_map<std::string, const OutputTensor*> rounded;
  std::unordered_map<std::string, const OutputTensor*> owner;  // of each part
  for (const OutputTensor& tensor : tensors) {
    if (!tensor.scheme.empty()) rounded[tensor.name] = &tensor;
  }
  std::vector<io::TensorEntry> entries;
  int64_t total = 0;
  for (const io::TensorEntry& entry : layout.entries()) {
    const auto found = rounded.find(entry.name);
    if (found == rounded.end()) {
      entries.push_back(entry);
      continue;
    }
    for (io::TensorEntry& part : parts_of(*found->second, options)) {
      owner[part.name] = found->second;
      entries.push_back(std::move(part));
    }
  }
  for (const io::TensorEntry& entry : entries) total += entry.bytes();
  model::StreamedElements elements(ctx, weights);
  const model::ElementSource source = [&](int64_t parameter, Range range, DType type) {
    return elements.read(parameter, range, type);
  };
  io::ShardedSafetensorsWriter files(folder, entries, options.max_shard_bytes);
  int64_t done = 0;
  // Parts of a weight lie apart, wide types first, so a weight is rounded once for each of them:
  // that takes time, where keeping all scales of a shard would take memory. Words and zero points
  // follow one another.
  const OutputTensor* last = nullptr;
  Encoded encoded;
  for (const io::TensorEntry& entry : files.entries()) {
    const auto own = owner.find(entry.name);
    if (own == owner.end()) {
      layout.write(ctx, entry.name, source, files);
    } else if (entry.name == own->second->name + "_shape") {
      files.write(entry.name, shape_part(*own->second));
    } else {
      const OutputTensor& tensor = *own->second;
      if (last != &tensor) {
        std::vector<float> values;
        values.reserve(static_cast<size_t>(tensor.shape.elements()));
        layout.for_each_piece(ctx, tensor.name, DType::f32, source, [&](const Tensor& piece) {
          values.insert(values.end(), piece.data<float>(), piece.data<float>() + piece.elements());
        });
        const model::MatrixShape shape =
            model::matrix_shape(weights.parameters()[static_cast<size_t>(tensor.parameter)]);
        const int64_t matrix = tensor.pieces.front().offset / shape.elements();
        const std::vector<float> columns = importance.columns(tensor.parameter, matrix);
        encoded = options.scheme == HfScheme::fp8
                      ? encode_fp8(ctx, tensor, values)
                      : encode_integers(ctx, tensor, values, columns, options.integers);
        last = &tensor;
      }
      files.write(entry.name, encoded.at(entry.name));
    }
    done += entry.bytes();
    progress(done, total);
  }
  files.finish();
}

}  // namespace cadre::quant
