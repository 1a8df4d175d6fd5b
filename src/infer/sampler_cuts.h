// Which tokens a draw may choose from: the cuts of a sampler, by partial selection.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cadre::infer {

struct Candidate {
  int32_t id;
  float score;    // the logit after all changes
  double weight;  // exp((score - largest) / temperature)
};

// By ascending id, so that a draw and its sums have one order whatever was cut.
using Candidates = std::vector<Candidate>;

// Memory that calls reuse.
struct CutScratch {
  std::vector<double> masses;
  std::vector<Candidate> boundary;
};

// All tokens whose score is above -inf and which are allowed (SampleInput), or the `top_k` best of
// them if top_k > 0; equal scores go to the lower id. Weights are not set.
void collect_candidates(std::span<const float> scores, std::span<const uint64_t> allowed,
                        int64_t top_k, Candidates& out);

// The largest score; -inf without candidates.
float largest_score(const Candidates& candidates);

// weight = exp((score - largest) / temperature).
void set_weights(Candidates& candidates, float largest, double temperature);

// Keeps the smallest set of lowest cost that has `share` of all weight, at least one. Equal costs
// go to the lower id. A cost is >= 0.
enum class CutCost {
  rarity,    // (largest - score) / temperature: the most probable first
  surprise,  // | -log p - entropy |: the most typical first
};
void keep_share(Candidates& candidates, CutCost cost, float largest, double temperature,
                double share, CutScratch& scratch);

// Keeps those of at least this weight.
void keep_weight(Candidates& candidates, double least);

}  // namespace cadre::infer
