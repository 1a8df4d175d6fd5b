// What a forward pass is given besides weights, and what it reports.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/ops/context.h"
#include "core/ops/local_filter.h"
#include "core/ops/paged_attention.h"
#include "core/ops/rope.h"
#include "core/ops/routing.h"
#include "model/nn/routing_control.h"

namespace cadre::nn {

// Keys and values that earlier tokens left, and for local filters the rows of the last token.
// Attention asks for nothing else of a KV cache; whoever runs inference provides one.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;

  // Appends the keys and values of this step's tokens ([N, Hkv * Dh], already normalised and
  // turned) for one layer and returns all that attention may look at.
  virtual ops::KeyValuePages extend(Context& ctx, int64_t layer, const Tensor& keys,
                                    const Tensor& values) = 0;
  // Where each sequence's queries (rows of this step) and keys (in the layer's pages) lie.
  virtual const ops::AttentionSegments& segments(int64_t layer) = 0;

  // How far the queries of a layer see whose model has the given window (0: all keys).
  struct Reach {
    int64_t window;
    int64_t sinks;                // ops::AttentionOptions
    bool beyond_context = false;  // positions may be past the model's
  };
  virtual Reach reach(int64_t layer, int64_t window) const;

  // For a layer with a local filter: the rows of the token before this step's first of each
  // sequence, in the order of segments(layer), zeros at the start of a sequence; and the rows of
  // this step's tokens, of which later steps will ask for some. A store that knows no filters
  // throws Error(unsupported).
  virtual ops::LocalFilterRows filter_rows_before(Context& ctx, int64_t layer);
  virtual void keep_filter_rows(Context& ctx, int64_t layer, const ops::LocalFilterRows& rows);
};

// Tokens of all sequences lie end to end, [N]: a training batch of packed documents, a prompt read
// in pieces and many users decoding one token each have the same shape.
struct ForwardInput {
  std::shared_ptr<const std::vector<int32_t>> tokens;  // [N]
  ops::Positions positions;                            // [N]
  ops::AttentionSegments segments;                     // unused with a store, which has its own
  // Where local filters start with zeros, if not where attention does; see LocalFilter.
  ops::AttentionSegments filter_segments;
  ops::TokenMask mask;             // null if there is no padding
  KeyValueStore* store = nullptr;  // null in training
  bool recompute = false;          // keep one tensor a block and run blocks again on the way back
  float dropout = 0.0f;            // on the output of each branch, training only
  uint64_t dropout_seed = 0;       // a new one for each micro-batch
  uint64_t router_seed = 0;        // of noise and chance in routers, training only; likewise
  // Tokens of a row where rows are of one length, for experts that choose within sequences; 0 lets
  // them choose within segments.
  int64_t sequence_length = 0;
  RoutingControl routing;  // before that of the decoder
};

// One layer's router in one forward pass. The gradient is shared with the recorded op: fill it
// between the forward and the backward pass.
struct RouterTrace {
  Tensor logits;   // [N, E] f32
  Tensor experts;  // [N, k] i32; -1 for a choice that was dropped
  Tensor weights;  // [N, k] f32
  ops::RouterStatistics statistics;
  std::shared_ptr<ops::RouterGradient> gradient;
};

// One entry for each block; dense blocks leave theirs empty.
struct ForwardTrace {
  std::vector<RouterTrace> routers;
};

}  // namespace cadre::nn
