// What a router is, as data. A router turns tokens into assignments in the same steps whatever the
// paper: logits, scores, a choice, a capacity, weights; what papers differ in is a field here.
//
//   logits   z = W_r x, or Yuan's attention among experts; in training with noise
//   scores   s = softmax(z) over all experts, or sigmoid(z) of each
//   choice   each token takes its best top_k experts, or each expert its best tokens
//   capacity how many assignments an expert accepts; those beyond it are dropped
//   weights  w = scale * s of the chosen, perhaps divided by their sum
//
// docs/routers.md has a line for each published router.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace cadre::ops {

// What logits are made of.
enum class RouterKind {
  linear,     // z = W_r x, W_r [E, D]
  attention,  // experts attend to each other, see core/ops/attention_router.h (Yuan 2.0-M32)
};

enum class Scoring {
  softmax,            // over all experts, before the choice
  softmax_of_chosen,  // over the chosen ones alone, after the choice by logits
  sigmoid,            // of each expert on its own, as in DeepSeek-V3
};

// Group-limited choice: experts stand in `num_groups` equal groups; a token uses the `top_groups`
// best of them, a group being worth the sum of its `scored_by` best scores (1 in DeepSeek-V2,
// arXiv:2405.04434; 2 in V3, arXiv:2412.19437).
struct ExpertGroups {
  int64_t num_groups = 1;
  int64_t top_groups = 1;
  int64_t scored_by = 2;

  bool operator==(const ExpertGroups&) const = default;
};

// Whether a token uses the experts after its first, whose share of the scores of the chosen is g.
enum class SecondExpert {
  always,
  threshold,  // if g > second_threshold
  random,     // in training with probability min(1, g / second_threshold); otherwise always
};

// Each token takes the top_k experts of the largest score; ties go to the lower expert.
struct TokenChoice {
  bool selection_bias = false;  // b_e is added to scores for the choice, not to the weights
  ExpertGroups groups = {};
  SecondExpert second = SecondExpert::always;
  double second_threshold = 0.0;

  bool operator==(const TokenChoice&) const = default;
};

// Each expert takes the floor(top_k * n / E) tokens of the largest score among n; ties go to the
// earlier token. A choice looks at tokens to come, so a model of these routers cannot decode.
// Zhou et al., "Mixture-of-Experts with Expert Choice Routing", arXiv:2202.09368.
struct ExpertChoice {
  bool over_batch = false;  // n counts the tokens of the micro-batch, otherwise of a sequence

  bool operator==(const ExpertChoice&) const = default;
};

// Who is served first where an expert is full.
enum class Priority {
  position,  // the earlier token
  score,     // the token whose best score is larger (batch-prioritised routing, arXiv:2106.05974)
  random,    // in training a random order of tokens (DeepSpeed's random token selection)
};

// An expert accepts C = max(minimum, factor * top_k * T / E) assignments, T being the real tokens
// of the group, which is the micro-batch; padding takes no place. Papers that leave top_k out of
// the formula divide the factor by it. What is dropped adds nothing: a token that loses all its
// experts passes through the residual stream alone. A factor of 0 drops nothing. Capacity counts
// in training and in evaluation of whole sequences, never where keys and values are cached: what a
// model answers must not depend on the company of a request.
struct Capacity {
  double train_factor = 0.0;
  double eval_factor = 0.0;
  int64_t minimum = 0;
  bool rounds_up = false;  // C is rounded up, otherwise down
  Priority priority = Priority::position;
  bool by_token = false;  // queues take all choices of a token, then of the next; otherwise all
                          // first choices come before the second ones
  bool rejected_take_place = false;  // choices that SecondExpert turned down count in the queue

  bool operator==(const Capacity&) const = default;
};

// In training.
enum class LogitNoise {
  none,
  gaussian,       // z + n * softplus(W_noise x), n ~ N(0, 1): Shazeer et al., arXiv:1701.06538
  gumbel,         // the choice is by z + Gumbel noise, weights are of z (DeepSpeed, k = 1)
  gumbel_second,  // so for all choices but the first (DeepSpeed, k = 2)
};

struct RouterSpec {
  int64_t num_experts = 0;
  int64_t top_k = 0;         // experts for each token; the mean where experts choose
  bool renormalise = false;  // weights of the chosen are divided by their sum
  RouterKind kind = RouterKind::linear;
  // In training the router sees x * u, u uniform in [1 - jitter_noise, 1 + jitter_noise].
  double jitter_noise = 0.0;
  bool renormalise_kept = false;  // by the sum over those that are left after drops instead
  Scoring scoring = Scoring::softmax;
  std::variant<TokenChoice, ExpertChoice> choice = {};
  Capacity capacity = {};
  LogitNoise noise = LogitNoise::none;
  double scale = 1.0;  // of all weights (routed_scaling_factor)

  bool operator==(const RouterSpec&) const = default;
};

// Throws Error(invalid_input), naming `where` and the field, for values out of range and for fields
// that contradict each other.
void validate(const RouterSpec& spec, const std::string& where);

// What is left of a router when nothing is trained: without noise, training capacity and the random
// use of second experts, and with softmax_of_chosen as the renormalised softmax that it equals. Two
// routers are the same function in inference if these are equal.
RouterSpec inference_view(const RouterSpec& spec);

// False where experts choose tokens.
bool can_decode(const RouterSpec& spec);

// The factor of Capacity that counts in this pass: 0 for none.
double capacity_factor(const RouterSpec& spec, bool training, bool decoding);

// True if softmax_top_k (core/ops/routing.h) is all there is to this router in this pass.
bool is_plain(const RouterSpec& spec, bool training, bool decoding);

}  // namespace cadre::ops
