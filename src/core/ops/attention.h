// Causal attention with grouped queries over sequences that lie end to end.
//
//   out[i, h, :] = sum_j softmax_j(scale * <q[i, h], k[j, h / (H / Hkv)]>) * v[j, h / (H / Hkv), :]
//
// Vaswani et al., arXiv:1706.03762; Ainslie et al., "GQA", arXiv:2305.13245; computed in tiles with
// a running softmax (Dao et al., arXiv:2205.14135), so memory is linear in length. Key tiles are
// aligned to the start of the sequence: a query gets the same bits whether its sequence is computed
// at once, in pieces, or token by token. Products take the dtype of q, k, v; softmax is f32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/ops/context.h"

namespace cadre::ops {

// One sequence: queries [query_begin, query_begin + num_queries) of q attend to keys
// [key_begin, key_begin + num_keys) of k and v. The last query sees all keys, each earlier one key
// less: num_queries <= num_keys. Without a cache queries and keys are the same rows.
constexpr int64_t kAttentionTile = 128;
struct AttentionSegment {
  int64_t query_begin;
  int64_t num_queries;
  int64_t key_begin;
  int64_t num_keys;
  // For paged_attention (core/ops/paged_attention.h), where key_begin is 0.
  std::span<const int32_t> pages = {};
};
using AttentionSegments = std::shared_ptr<const std::vector<AttentionSegment>>;

struct AttentionOptions {
  int64_t num_heads;
  int64_t num_kv_heads;
  float scale;         // usually 1 / sqrt(Dh)
  int64_t window = 0;  // keys that a query sees, itself included; 0 means all
  // Attention sinks, for paged_attention with a window alone: the first keys stay in sight. Up to
  // sinks + window keys a query sees all; then the sinks and the last `window` keys.
  int64_t sinks = 0;
};

// q is [N, H * Dh], k and v [M, Hkv * Dh], all f32 or all bf16; the result [N, H * Dh] has the
// dtype of q. Rows that no segment names are zero.
Tensor attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionSegments& segments, const AttentionOptions& options);

}  // namespace cadre::ops
