// Auxiliary losses of routers, over all layers of one micro-batch. Padding counts in none of them.
//
// With T real tokens, L layers, E experts, k choices; f fractions, P mean probabilities:
//
//   transformers  E * sum_e sum_j mean_{l,t}[1(e = I_j)] * mean_{l,t}[p_e]   means over layers
//   jointly;
//                 k when balanced (Hugging Face's load_balancing_loss_func)
//   switch        sum_l E * sum_e f_e P_e with f from the first choice; 1 a layer when balanced
//                 (Fedus et al., arXiv:2101.03961)
//   megatron      sum_l E * sum_e P_e * count_e / (T k); 1 a layer when balanced
//   megablocks    E / (L T k) * sum_l sum_e count_{l,e} P_{l,e}; 1 when balanced: what OLMoE was
//                 trained with (arXiv:2409.02060), and `megatron` averaged over layers.
//
// The gradient reaches only P, for counts are not differentiable.
// z-loss: mean over tokens and layers of lse^2 (ST-MoE, arXiv:2202.08906); `tokens_top_k` divides
// by k too, as OLMoE's training code did.
#pragma once

#include <cstdint>
#include <string>

#include "model/nn/forward.h"
#include "model/spec.h"

namespace cadre::model {

enum class LoadBalancing { none, transformers, switch_transformer, megatron, megablocks };

// The names above ("switch" for switch_transformer). Throws Error(invalid_input) with the nearest.
LoadBalancing load_balancing_from_name(const std::string& name);

struct RouterLossOptions {
  LoadBalancing load_balancing = LoadBalancing::megablocks;
  double load_balancing_weight = 0.01;
  double z_weight = 0.001;
  bool z_divides_by_top_k = false;
};

struct RouterLosses {
  double load_balancing = 0.0;  // before its weight
  double z = 0.0;               // before its weight
  double weighted_sum = 0.0;    // what is added to the cross-entropy
};

// Computes the losses from the statistics in `trace` and fills each layer's gradient with the
// derivative of scale * weighted_sum (scale is 1 / micro-batches in training). Layers must agree in
// E and k. Dense layers are passed over; without sparse layers all is 0.
RouterLosses apply_router_losses(const ModelSpec& spec, const RouterLossOptions& options,
                                 double scale, nn::ForwardTrace& trace);

}  // namespace cadre::model
