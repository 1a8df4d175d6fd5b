#include "model/stored_model.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/format.h"

namespace cadre::model {
namespace {

Range whole(const ParameterSpec& parameter) { return {0, parameter.shape.elements()}; }

void fill(Context& ctx, const Weights& weights, int64_t parameter, const Tensor& target) {
  const ParameterSpec& spec = weights.parameters()[static_cast<size_t>(parameter)];
  CADRE_CHECK(target.shape() == spec.shape);
  weights.read(ctx, parameter, whole(spec), target.dtype(), target.raw());
  // What has been copied would otherwise stay in memory twice.
  weights.release(parameter, whole(spec));
}

// The matrices of a parameter and the size of each.
struct Matrices {
  int64_t count, rows, k;
};

Matrices matrices_of(const ParameterSpec& parameter) {
  const int64_t rows = parameter.shape.dim(-2);
  const int64_t k = parameter.shape.dim(-1);
  return {parameter.shape.elements() / (rows * k), rows, k};
}

// Empty if the parameter is to be dense.
ops::Weight packed_weight(Context& ctx, const ModelSpec& spec, const Weights& weights, int64_t p,
                          const LoadOptions& options) {
  const ParameterSpec& parameter = weights.parameters()[static_cast<size_t>(p)];
  if (options.format == WeightFormat::dense || !can_be_packed(parameter)) return {};
  const auto [count, rows, k] = matrices_of(parameter);
  ops::Weight weight;
  if (const auto blocks = weights.blocks(p)) {
    const std::optional<PackedFormat> format = packed_format(blocks->type);
    const bool as_wanted = options.format == WeightFormat::stored || format == options.packed ||
                           !is_packed(spec, parameter, options);
    if (format && as_wanted) {
      weight.packed = ops::pack(ctx, *format, count, rows, k, blocks->pieces);
      weights.release(p, whole(parameter));
      return weight;
    }
  }
  if (!is_packed(spec, parameter, options)) return {};
  weight.packed =
      ops::pack_values(ctx, options.packed, count, rows, k, [&](Range range, float* values) {
        weights.read(ctx, p, {range.begin * k, range.end * k}, DType::f32, values);
      });
  weights.release(p, whole(parameter));
  return weight;
}

}  // namespace

bool is_packed(const ModelSpec& spec, const ParameterSpec& parameter, const LoadOptions& options) {
  if (options.format != WeightFormat::packed || !can_be_packed(parameter)) return false;
  if (parameter.kind == ParameterKind::embedding && !spec.tied_embeddings) return false;
  return parameter.shape.dim(-1) % packed_block_size(options.packed) == 0;
}

void set_weight_format(std::string_view name, LoadOptions& options) {
  if (name == "dense" || name == "stored") {
    options.format = name == "dense" ? WeightFormat::dense : WeightFormat::stored;
    return;
  }
  std::string known;
  for (const PackedFormat format : packed_formats()) {
    known += fmt::format(", {}", packed_format_name(format));
    if (packed_format_name(format) != name) continue;
    options.format = WeightFormat::packed;
    options.packed = format;
    return;
  }
  fail(ErrorKind::invalid_input, "weights = \"{}\", expected stored, dense{}", name, known);
}

ModelSpec read_spec(const std::filesystem::path& place) {
  ModelSpec spec = format_of(place).read_spec(place);
  validate(spec, place.string());
  return spec;
}

std::unique_ptr<const Weights> open_weights(const std::filesystem::path& place,
                                            const ModelSpec& spec) {
  return format_of(place).open_weights(place, spec);
}

void load_tensors(Context& ctx, const std::filesystem::path& place, const ModelSpec& spec,
                  const std::function<Tensor(int64_t parameter)>& target) {
  const std::unique_ptr<const Weights> weights = open_weights(place, spec);
  const auto count = static_cast<int64_t>(weights->parameters().size());
  for (int64_t p = 0; p < count; ++p) fill(ctx, *weights, p, target(p));
}

DType stored_dtype(const std::filesystem::path& place, const ModelSpec& spec) {
  return open_weights(place, spec)->dtype(0);
}

DType natural_compute(const std::filesystem::path& place, const ModelSpec& spec) {
  const std::unique_ptr<const Weights> weights = open_weights(place, spec);
  const auto count = static_cast<int64_t>(weights->parameters().size());
  for (int64_t p = 0; p < count; ++p) {
    if (weights->blocks(p)) return DType::bf16;
  }
  return weights->dtype(0) == DType::f32 ? DType::f32 : DType::bf16;
}

LoadedModel load_model(Context& ctx, const std::filesystem::path& place, DType compute) {
  return load_model(ctx, place, LoadOptions{.compute = compute, .format = WeightFormat::dense});
}

LoadedModel load_model(Context& ctx, const std::filesystem::path& place,
                       const LoadOptions& options) {
  const ModelSpec spec = read_spec(place);
  const std::unique_ptr<const Weights> weights = open_weights(place, spec);
  std::vector<bool> complete;
  auto parameters = std::make_shared<Parameters>(ctx, spec, options.compute, [&](int64_t p) {
    const ParameterSpec& parameter = weights->parameters()[static_cast<size_t>(p)];
    ops::Weight weight = packed_weight(ctx, spec, *weights, p, options);
    if (!weight.packed.defined()) {
      const Tensor mapped =
          weights->view(p, whole(parameter), compute_type(parameter.kind, options.compute));
      if (mapped.defined()) weight.dense = mapped.reshape(parameter.shape);
    }
    complete.push_back(weight.defined());
    return weight;
  });
  for (int64_t p = 0; p < parameters->size(); ++p) {
    if (!complete[static_cast<size_t>(p)]) fill(ctx, *weights, p, parameters->tensor(p));
  }
  return {parameters, std::make_shared<const Decoder>(spec, parameters)};
}

}  // namespace cadre::model
