#include "model/stored_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/page_reader.h"
#include "model/expert_cache.h"
#include "model/format.h"
#include "model/weight_holding.h"

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

// Empty if the parameter is to be dense.
ops::Weight packed_weight(Context& ctx, const Weights& weights, int64_t p,
                          const WeightHolding& holding) {
  ops::Weight weight;
  if (!holding.packed) return weight;
  const int64_t count = holding.matrices.count, rows = holding.matrices.rows;
  const int64_t k = holding.matrices.k;  // clang 14 lets no lambda have a structured binding
  if (holding.as_stored) {
    weight.packed =
        ops::pack(ctx, *holding.packed, count, rows, k, weights.blocks(p, {0, count * rows}));
  } else {
    weight.packed =
        ops::pack_values(ctx, *holding.packed, count, rows, k, [&](Range range, float* values) {
          weights.read(ctx, p, {range.begin * k, range.end * k}, DType::f32, values);
        });
  }
  weights.release(p, whole(weights.parameters()[static_cast<size_t>(p)]));
  return weight;
}

// Has the pages of a parameter that is packed read, and of the next, if that is packed too: the
// faults of the threads that pack would keep the disk waiting between one small request and
// another.
class ReadAhead {
 public:
  ReadAhead(const ModelSpec& spec, const Weights& weights, const LoadOptions& options)
      : spec_(spec), weights_(weights), options_(options) {}

  void packing(int64_t p) {
    std::vector<std::span<const std::byte>> pages;
    const int64_t end = std::min(p + 2, std::ssize(weights_.parameters()));
    for (int64_t q = p; q < end; ++q) {
      if (!weight_holding(spec_, weights_, q, options_).packed) continue;
      const Range all = whole(weights_.parameters()[static_cast<size_t>(q)]);
      const auto mapped = weights_.mapped(q, all);
      pages.insert(pages.end(), mapped.begin(), mapped.end());
    }
    if (!reader_) reader_.emplace(PageReader::kThreads * PageReader::kPieceBytes);
    reader_->expect(pages);
  }

 private:
  const ModelSpec& spec_;
  const Weights& weights_;
  const LoadOptions& options_;
  std::optional<PageReader> reader_;
};

// The cache that a limit of memory asks for, if it does.
std::shared_ptr<ExpertCache> limited(Context& ctx, const ModelSpec& spec,
                                     std::shared_ptr<const Weights> weights,
                                     const LoadOptions& options) {
  if (options.memory_bytes == 0) return nullptr;
  int64_t dense = 0, experts = 0;
  for (size_t p = 0; p < weights->parameters().size(); ++p) {
    const int64_t bytes =
        held_bytes(weight_holding(spec, *weights, static_cast<int64_t>(p), options));
    const bool is_expert = weights->parameters()[p].kind == ParameterKind::expert;
    (is_expert ? experts : dense) += bytes;
  }
  if (dense + experts <= options.memory_bytes) return nullptr;
  if (experts == 0) {
    fail(ErrorKind::invalid_input,
         "a limit of {} bytes of memory: the model has no experts and needs {}",
         options.memory_bytes, dense);
  }
  return std::make_shared<ExpertCache>(ctx, spec, std::move(weights), options, dense);
}

// A matrix whose rows the file holds as they are, but in several tensors: one for each expert, or
// gate and up apart. Null if it does not.
std::shared_ptr<const ops::RowParts> mapped_parts(const Weights& weights, int64_t p,
                                                  const LoadOptions& options) {
  const ParameterSpec& parameter = weights.parameters()[static_cast<size_t>(p)];
  const bool multiplied =
      parameter.kind == ParameterKind::projection || parameter.kind == ParameterKind::expert;
  if (!multiplied || !can_be_packed(parameter)) return nullptr;
  auto parts = std::make_shared<ops::RowParts>();
  parts->parts = weights.row_views(p, options.compute);
  if (parts->parts.empty()) return nullptr;
  parts->per_matrix = parameter.shape.dim(-2) / parts->parts.front().dim(0);
  return parts;
}

}  // namespace

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
    if (weights->block_type(p)) return DType::bf16;
  }
  return weights->dtype(0) == DType::f32 ? DType::f32 : DType::bf16;
}

LoadedModel load_model(Context& ctx, const std::filesystem::path& place, DType compute) {
  return load_model(
      ctx, place,
      LoadOptions{.compute = compute, .format = WeightFormat::dense, .map_parts = false});
}

LoadedModel load_model(Context& ctx, const std::filesystem::path& place,
                       const LoadOptions& options) {
  const ModelSpec spec = read_spec(place);
  const std::shared_ptr<const Weights> weights = open_weights(place, spec);
  const std::shared_ptr<ExpertCache> experts = limited(ctx, spec, weights, options);
  std::vector<bool> complete;
  ReadAhead read_ahead(spec, *weights, options);
  const auto weight_of = [&](int64_t p) {
    const ParameterSpec& parameter = weights->parameters()[static_cast<size_t>(p)];
    ops::Weight weight;
    if (experts && parameter.kind == ParameterKind::expert) {
      weight = experts->stack(p);
    } else {
      const WeightHolding holding = weight_holding(spec, *weights, p, options);
      // A cache of experts reads its own pages when they are needed.
      if (holding.packed && !experts) read_ahead.packing(p);
      weight = packed_weight(ctx, *weights, p, holding);
    }
    if (!weight.defined()) {
      const Tensor mapped =
          weights->view(p, whole(parameter), compute_type(parameter.kind, options.compute));
      if (mapped.defined()) weight.dense = mapped.reshape(parameter.shape);
    }
    if (!weight.defined() && options.map_parts) weight.parts = mapped_parts(*weights, p, options);
    complete.push_back(weight.defined());
    return weight;
  };
  auto parameters = std::make_shared<Parameters>(ctx, spec, options.compute, weight_of, experts);
  for (int64_t p = 0; p < parameters->size(); ++p) {
    if (!complete[static_cast<size_t>(p)]) fill(ctx, *weights, p, parameters->tensor(p));
  }
  return {parameters, std::make_shared<const Decoder>(spec, parameters, options.routing), experts};
}

}  // namespace cadre::model
