// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/fields.h"

namespace cadre::infer {

struct SamplerOptions {
  double temperature = 0.8;
  int64_t top_k = 0;
  double top_p = 1.0;
  int64_t seed = 0;

  void visit_fields(auto&& field) {
    field("temperature", temperature, Interval{0.0, 100.0}, "0 takes the most likely token");
    field("top_k", top_k, Interval{0, 1e9},
          "keep this many of the most likely tokens; 0 keeps all");
    field("top_p", top_p, Interval{0.0, 1.0}, "keep the smallest set of tokens this probable");
    field("seed", seed, Interval{0, 9e15}, "same seed, same text");
  }
};

// The order is that of the field: temperature, then top_k, then top_p over what is left. The draw
// for the token at `position` is a function of (seed, position) alone.
class Sampler {
 public:
  // Throws Error(invalid_input) for options out of range.
  explicit Sampler(const SamplerOptions& options);

  // logits are the candidates [0, V'); ties go to the lower id. Throws Error(corrupt_data)
  // if the largest logit is not finite, which only damaged weights give.
  int32_t sample(std::span<const float> logits, int64_t position);

 private:
  SamplerOptions options_;
  std::vector<int32_t> order_;  // reused between calls
  std::vector<double> weights_;
};

}  // namespace cadre::infer
