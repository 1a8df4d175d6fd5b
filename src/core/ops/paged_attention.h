// Attention whose keys and values lie in pages shared by many sequences, as a KV cache holds them.
// Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention",
// arXiv:2309.06180.
#pragma once

#include "core/ops/attention.h"

namespace cadre::ops {

// P pages of kAttentionTile positions for each of Hkv heads: the keys of a tile and head lie in one
// piece. Either of the dtype of the queries, or in 8 bits as kernels::quantise_rows makes them of
// each head's row, with a scale for every 32 elements.
struct KeyValuePages {
  Tensor keys;          // [P, Hkv, kAttentionTile, Dh]
  Tensor values;        // the same
  Tensor key_scales;    // [P, Hkv, kAttentionTile, Dh / 32] f32 if keys are i8, else undefined
  Tensor value_scales;  // the same

  bool quantised() const { return keys.dtype() == DType::i8; }
};

// attention() with key j of a segment in row j % kAttentionTile of page
// segment.pages[j / kAttentionTile]. Pages that no query of a segment sees need not be there: their
// entries may be anything. Keys in the dtype of q give the bits of attention(); those in 8 bits are
// turned into it tile by tile, so the result is that of the rounded keys. Nothing is recorded.
// The tables of pages must live until the call returns. Throws Error(invalid_input) for a table
// that is too short or names a page that is not there.
//
// With options.sinks queries at positions from sinks + window on meet the sinks with another query,
// their row of sink_q, like q: turned as if they stood at position sinks + window - 1, directly
// behind a sequence of sinks and window. Keys stay as they are, turned at their own positions, so
// distances within the window are the true ones, and nothing that is cached ever changes.
// Xiao et al., "Efficient Streaming Language Models with Attention Sinks", arXiv:2309.17453.
Tensor paged_attention(Context& ctx, const Tensor& q, const KeyValuePages& pages,
                       const AttentionSegments& segments, const AttentionOptions& options,
                       const Tensor& sink_q = {});

// Puts the keys and values of a step, [N, Hkv * Dh] in f32 or bf16, where paged_attention finds
// them: rows [query_begin, query_begin + num_queries) of a segment are those of its last positions.
// Pages are of the same dtype, or i8, to which each row is rounded on its own, so what a page holds
// does not depend on the steps that filled it. Pages that are written must differ.
void write_key_values(Context& ctx, const Tensor& keys, const Tensor& values,
                      const AttentionSegments& segments, const KeyValuePages& pages);

}  // namespace cadre::ops
