// Auxiliary losses of routers, over all layers of one micro-batch. Padding counts in none of them.
//
// With T real tokens, L layers, E experts, k choices, before drops; c_e the number of tokens with
// first choice e, n_e that of all choices, P_e mean probabilities:
//
//   switch        sum_l E * sum_e (c_e / T) P_e; 1 a layer when balanced (Fedus et al.,
//                 arXiv:2101.03961)
//   gshard        sum_l 1/E * sum_e (c_e / T) P_e; 1/E^2 a layer (Lepikhin et al.,
//                 arXiv:2006.16668)
//   deepspeed     as switch, also for k = 2 (fairscale and DeepSpeed)
//   transformers  E * sum_e sum_j mean_{l,t}[1(e = I_j)] * mean_{l,t}[p_e]   means over layers
//                 jointly; k when balanced (Hugging Face's load_balancing_loss_func)
//   arctic        transformers for each layer on its own, summed; k a layer
//   megatron      sum_l E * sum_e P_e * n_e / (T k); 1 a layer (Yuan's training code)
//   megablocks    E / (L T k) * sum_l sum_e n_{l,e} P_{l,e}; 1 when balanced: what OLMoE was
//                 trained with (arXiv:2409.02060), and `megatron` averaged over layers
//
// Their gradient reaches only P, for counts are not differentiable.
//
// Of noisy top-k routers (Shazeer et al., arXiv:1701.06538), with CV^2 = variance / (mean^2 +
// 1e-10) over experts, summed over layers, 0 when balanced:
//
//   importance    CV^2 of the sums of routing weights;   load    CV^2 of the expected loads
//
// z-loss: mean over tokens and layers of lse^2 (ST-MoE, arXiv:2202.08906); `tokens_top_k` divides
// by k too, as OLMoE's training code did.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/nn/forward.h"
#include "model/spec.h"

namespace cadre::model {

enum class LoadBalancing {
  none,
  switch_transformer,
  gshard,
  deepspeed,
  transformers,
  arctic,
  megatron,
  megablocks
};

// The names above ("switch" for switch_transformer), with "none". Throws Error(invalid_input) with
// the nearest.
LoadBalancing load_balancing_from_name(const std::string& name);
std::vector<std::string> load_balancing_names();

struct RouterLossOptions {
  LoadBalancing load_balancing = LoadBalancing::megablocks;
  double load_balancing_weight = 0.01;
  double z_weight = 0.001;
  bool z_divides_by_top_k = false;
  double importance_weight = 0.0;  // of noisy top-k routers; others have none
  double load_weight = 0.0;
};

struct RouterLosses {
  double load_balancing = 0.0;  // each before its weight
  double z = 0.0;
  double importance = 0.0;
  double load = 0.0;
  double weighted_sum = 0.0;  // what is added to the cross-entropy
};

// Computes the losses from the statistics in `trace` and fills each layer's gradient with the
// derivative of scale * weighted_sum (scale is 1 / micro-batches in training). Layers must agree in
// E and k. Dense layers are passed over; without sparse layers all is 0.
RouterLosses apply_router_losses(const ModelSpec& spec, const RouterLossOptions& options,
                                 double scale, nn::ForwardTrace& trace);

}  // namespace cadre::model
