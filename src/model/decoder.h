// A decoder-only language model of any family: embedding, blocks, norm, head.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "core/ops/cross_entropy.h"
#include "model/nn/block.h"
#include "model/nn/forward.h"
#include "model/nn/hybrid_block.h"
#include "model/nn/norm.h"
#include "model/parameters.h"
#include "model/spec.h"

namespace cadre::model {

// Immutable once built, so many requests can read it; the parameters it refers to may be written
// between passes by an optimiser.
class Decoder {
 public:
  // The parameters must be those of the spec. `routing` is for passes that do not bring their own.
  // Throws Error(invalid_input) if a layer's router cannot be controlled so.
  Decoder(ModelSpec spec, std::shared_ptr<const Parameters> parameters,
          const nn::RoutingControl& routing = {});

  const ModelSpec& spec() const { return spec_; }
  const Parameters& parameters() const { return *parameters_; }

  // The last hidden states after the final norm, [N, D] in the compute type. `trace` may be null;
  // otherwise it gets an entry for each block. Throws Error(invalid_input) for a token or position
  // outside the model.
  Tensor hidden(Context& ctx, const nn::ForwardInput& input, nn::ForwardTrace* trace) const;

  // f32 logits [N, V] of hidden states.
  Tensor logits(Context& ctx, const Tensor& hidden) const;

  // The loss of next tokens, see core/ops/cross_entropy.h.
  ops::CrossEntropyResult loss(Context& ctx, const Tensor& hidden, std::span<const int32_t> targets,
                               std::span<const float> weights) const;

 private:
  ModelSpec spec_;
  std::shared_ptr<const Parameters> parameters_;
  nn::RoutingControl routing_;
  ops::Weight embedding_;
  nn::Norm norm_;
  ops::Weight head_;
  std::vector<std::variant<nn::Block, nn::HybridBlock>> blocks_;
};

// The input of whole sequences without a cache: tokens end to end, sequences beginning at `starts`
// (ascending, the first 0), positions counting from 0 in each.
nn::ForwardInput packed_input(std::vector<int32_t> tokens, std::span<const int64_t> starts);

}  // namespace cadre::model
