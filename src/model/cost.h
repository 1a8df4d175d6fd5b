// What a model costs, from its spec alone: parameters, arithmetic, bytes.
#pragma once

#include <cstdint>

#include "core/tensor/dtype.h"
#include "model/spec.h"

namespace cadre::model {

struct ModelCost {
  int64_t total_parameters = 0;
  int64_t active_parameters = 0;  // used by one token; embeddings counted as stored
  // Matrix products only: 2 and 6 operations for each active parameter.
  double forward_flops_per_token = 0.0;
  double training_flops_per_token = 0.0;
  // Bytes that one token adds to a bf16 KV cache over all layers.
  int64_t kv_cache_bytes_per_token = 0;
  // Bytes that local filters need of the past of a sequence, whatever its length: one row of their
  // input and one of their inner layer for each layer, bf16.
  int64_t filter_state_bytes_per_sequence = 0;
};

ModelCost cost(const ModelSpec& spec);

// Bytes of a bf16 KV cache for a sequence of that length: layers with a window keep no more than
// it.
int64_t kv_cache_bytes(const ModelSpec& spec, int64_t sequence_length);

// Operations of attention scores and values that 2N does not count, forward, for one token of a
// sequence of that length: 4 * D_attention * mean visible keys, summed over layers.
double attention_flops_per_token(const ModelSpec& spec, int64_t sequence_length);

// Matrix operations that a training step really does for one token: 6 for each active parameter
// except the embedding, which is looked up, plus three times the attention.
double training_matmul_flops_per_token(const ModelSpec& spec, int64_t sequence_length);

// Bytes of all parameters with weights in `dtype` and routers and norms in f32 as loaded, or all in
// `dtype` as stored in a file.
int64_t loaded_bytes(const ModelSpec& spec, DType dtype);
int64_t stored_bytes(const ModelSpec& spec, DType dtype);

}  // namespace cadre::model
