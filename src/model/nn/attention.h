// Grouped-query self-attention with rotary positions.
//
//   q = W_q f, k = W_k f, v = W_v x, with biases if the spec says so; q and k normalised, q, k and
//   v clamped likewise; then q and k turned;  y = W_o attention(q, k, v)
//
// f is x, or local_filter(x) if the spec has one.
#pragma once

#include <optional>
#include <string>

#include "model/nn/forward.h"
#include "model/nn/linear.h"
#include "model/nn/local_filter.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::nn {

// Immutable; holds handles to weights. The rope table is shared by all layers with the same spec.
class Attention {
 public:
  Attention(const model::ModelSpec& model, int64_t layer, const model::Parameters& parameters,
            std::shared_ptr<const ops::RopeTable> rope);

  // x is [N, D] in the compute type, as is the result.
  Tensor forward(Context& ctx, const Tensor& x, const ForwardInput& input) const;

 private:
  struct Turned {
    Tensor q, k;
    Tensor sink_q;  // undefined without sinks
  };
  Turned turn(Context& ctx, const Tensor& q, const Tensor& k, const ForwardInput& input,
              const KeyValueStore::Reach& reach) const;

  model::AttentionSpec spec_;
  int64_t layer_;
  float eps_;
  std::shared_ptr<const ops::RopeTable> rope_;
  std::optional<LocalFilter> filter_;
  Linear query_, key_, value_, output_;
  Tensor query_norm_, key_norm_;  // undefined without QK-norm
};

}  // namespace cadre::nn
