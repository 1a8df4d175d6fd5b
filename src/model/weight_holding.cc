#include "model/weight_holding.h"

namespace cadre::model {

bool is_packed(const ModelSpec& spec, const ParameterSpec& parameter, const LoadOptions& options) {
  if (options.format != WeightFormat::packed || !can_be_packed(parameter)) return false;
  if (parameter.kind == ParameterKind::embedding && !spec.tied_embeddings) return false;
  return parameter.shape.dim(-1) % packed_block_size(options.packed) == 0;
}

WeightHolding weight_holding(const ModelSpec& spec, const Weights& weights, int64_t p,
                             const LoadOptions& options) {
  const ParameterSpec& parameter = weights.parameters()[static_cast<size_t>(p)];
  WeightHolding holding = {.matrices = matrix_shape(parameter),
                           .dense = compute_type(parameter.kind, options.compute),
                           .packed = std::nullopt};
  if (options.format == WeightFormat::dense || !can_be_packed(parameter)) return holding;
  const bool rounded = is_packed(spec, parameter, options);
  if (const auto blocks = weights.block_type(p)) {
    const std::optional<PackedFormat> format = packed_format(*blocks);
    const bool as_wanted =
        options.format == WeightFormat::stored || format == options.packed || !rounded;
    if (format && as_wanted) {
      holding.packed = format;
      holding.as_stored = true;
      return holding;
    }
  }
  if (rounded) holding.packed = options.packed;
  return holding;
}

int64_t matrix_bytes(const WeightHolding& holding) {
  const auto [count, rows, k] = holding.matrices;
  if (!holding.packed) return rows * k * dtype_size(holding.dense);
  return packed_tiles(rows) * packed_tile_bytes(*holding.packed, k);
}

int64_t held_bytes(const WeightHolding& holding) {
  return holding.matrices.count * matrix_bytes(holding);
}

}  // namespace cadre::model
