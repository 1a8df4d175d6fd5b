// How far one model's predictions are from another's on the same tokens: what fewer bits, another
// format or a change of the router cost.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/decoder.h"

namespace cadre::eval {

struct DivergenceOptions {
  int64_t context = 0;  // tokens of a window; 0 takes the smaller of the models' contexts
  int64_t stride = 0;   // tokens scored by each window after the first; 0 takes half the context
};

// How often two routers of the same layer chose alike.
struct LayerAgreement {
  int64_t layer = 0;
  double experts = 0.0;  // share of equal choices, |A and B| / max(|A|, |B|), a mean over tokens
  double all = 0.0;      // share of tokens whose choices are all the same
};

// p and q are the models' distributions over the next token; KL = sum over the vocabulary of
// p ln(p / q). Means are over scored tokens, and so are the standard errors, taken as independent.
struct DivergenceResult {
  int64_t num_tokens = 0;  // scored: all but the first
  double perplexity_a = 0.0;
  double perplexity_b = 0.0;
  double log_ratio = 0.0;  // ln(perplexity_b / perplexity_a)
  double log_ratio_error = 0.0;
  double mean_kl = 0.0;
  double mean_kl_error = 0.0;
  double median_kl = 0.0;
  double kl_90 = 0.0;  // percentiles, the value at rank ceil(share * N)
  double kl_99 = 0.0;
  double max_kl = 0.0;
  double same_top = 0.0;         // share of tokens at which both find the same token likeliest
  double probability_rms = 0.0;  // of the difference in the probability of the true token
  std::vector<LayerAgreement> layers;  // mixtures that both models have alike; may be empty
};

// Runs both models over the same windows (see windows.h). Sums are in f64, logits are compared a
// few rows at a time, so memory grows with the text by 32 bytes a token. `progress` (may be empty)
// gets the share done. Throws Error(invalid_input) if the vocabularies differ in size, and as
// sliding_windows; Error(corrupt_data) if a model's logits are not finite.
DivergenceResult divergence(Context& ctx, const model::Decoder& a, const model::Decoder& b,
                            std::span<const int32_t> tokens, const DivergenceOptions& options,
                            const std::function<void(double)>& progress);

}  // namespace cadre::eval
