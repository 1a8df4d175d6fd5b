#include "model/cost.h"

#include <algorithm>

#include "model/parameters.h"

namespace cadre::model {

ModelCost cost(const ModelSpec& spec) {
  ModelCost result;
  for (const ParameterSpec& parameter : parameter_list(spec)) {
    result.total_parameters += parameter.shape.elements();
    result.active_parameters += parameter.active_elements;
  }
  for (const BlockSpec& block : spec.blocks) {
    result.kv_cache_bytes_per_token +=
        2 * block.attention.num_kv_heads * block.attention.head_dim * dtype_size(DType::bf16);
    if (block.attention.filter) {
      result.filter_state_bytes_per_sequence +=
          (spec.hidden_size + block.attention.filter->inner_size) * dtype_size(DType::bf16);
    }
  }
  result.forward_flops_per_token = 2.0 * static_cast<double>(result.active_parameters);
  result.training_flops_per_token = 6.0 * static_cast<double>(result.active_parameters);
  return result;
}

int64_t kv_cache_bytes(const ModelSpec& spec, int64_t sequence_length) {
  int64_t bytes = 0;
  for (const BlockSpec& block : spec.blocks) {
    const int64_t window = block.attention.window;
    const int64_t slots = window > 0 ? std::min(window, sequence_length) : sequence_length;
    bytes += slots * 2 * block.attention.num_kv_heads * block.attention.head_dim *
             dtype_size(DType::bf16);
  }
  return bytes;
}

double attention_flops_per_token(const ModelSpec& spec, int64_t sequence_length) {
  double flops = 0.0;
  for (const BlockSpec& block : spec.blocks) {
    const double length = static_cast<double>(sequence_length);
    const double window =
        block.attention.window > 0
            ? static_cast<double>(std::min(block.attention.window, sequence_length))
            : length;
    // The mean over positions of min(position + 1, window).
    const double visible = (window * (window + 1) / 2 + (length - window) * window) / length;
    flops +=
        4.0 * static_cast<double>(block.attention.num_heads * block.attention.head_dim) * visible;
  }
  return flops;
}

double training_matmul_flops_per_token(const ModelSpec& spec, int64_t sequence_length) {
  double elements = 0.0;
  for (const ParameterSpec& parameter : parameter_list(spec)) {
    const bool multiplied = parameter.shape.rank() > 1 &&
                            (parameter.kind != ParameterKind::embedding || spec.tied_embeddings);
    if (multiplied) elements += static_cast<double>(parameter.active_elements);
  }
  return 6.0 * elements + 3.0 * attention_flops_per_token(spec, sequence_length);
}

int64_t loaded_bytes(const ModelSpec& spec, DType dtype) {
  int64_t bytes = 0;
  for (const ParameterSpec& parameter : parameter_list(spec)) {
    bytes += parameter.shape.elements() * dtype_size(compute_type(parameter.kind, dtype));
  }
  return bytes;
}

int64_t stored_bytes(const ModelSpec& spec, DType dtype) {
  return cost(spec).total_parameters * dtype_size(dtype);
}

}  // namespace cadre::model
