#include "infer/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/io/fields_io.h"

namespace cadre::infer {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

void check(SamplerOptions options) { io::check_fields(io::list_fields(options), "sampler"); }

// The largest score and whether there is a NaN; sixteen at a time, which compilers understand.
float largest_of(std::span<const float> scores, bool& nan) {
  std::array<float, 16> best;
  std::array<int32_t, 16> bad{};
  best.fill(kForbidden);
  size_t i = 0;
  for (; i + 16 <= scores.size(); i += 16) {
    for (size_t lane = 0; lane < 16; ++lane) {
      const float score = scores[i + lane];
      best[lane] = score > best[lane] ? score : best[lane];
      bad[lane] |= score != score ? 1 : 0;
    }
  }
  for (; i < scores.size(); ++i) {
    best[0] = std::max(best[0], scores[i]);
    bad[0] |= scores[i] != scores[i] ? 1 : 0;
  }
  nan = std::ranges::any_of(bad, [](int32_t lane) { return lane != 0; });
  return *std::ranges::max_element(best);
}

}  // namespace

Sampler::Sampler(const SamplerOptions& options) : options_(options), changes_(options) {
  check(options);
}

int32_t Sampler::sample(const SampleInput& input) {
  bool nan = false;
  const float largest = largest_of(input.logits, nan);
  if (nan || !std::isfinite(largest)) {
    fail(ErrorKind::corrupt_data, "the model's logits are not finite: its weights are damaged");
  }
  int32_t token = draw(input, changes_.apply(input, /*may_end=*/false));
  // Where only an end may come, it comes whatever min_tokens says.
  if (token < 0 && changes_.forbids_end(input)) token = draw(input, changes_.apply(input, true));
  if (token < 0) fail(ErrorKind::invalid_input, "sampler: no token is allowed to come next");
  return token;
}

// The token, or -1 if there is none to choose from.
int32_t Sampler::draw(const SampleInput& input, std::span<const float> scores) {
  const double temperature = options_.temperature;
  const bool greedy = temperature == 0.0;
  collect_candidates(scores, input.allowed, greedy ? 1 : options_.top_k, candidates_);
  if (candidates_.empty()) return -1;
  if (greedy || candidates_.size() == 1) return candidates_.front().id;
  const float largest = largest_score(candidates_);
  const bool min_p_first = options_.min_p > 0.0 && options_.top_p >= 1.0;
  if (min_p_first) {
    // Far fewer exponentials; what is near the limit is decided by its weight.
    const double limit = largest + temperature * (std::log(options_.min_p) - 1e-6);
    std::erase_if(candidates_, [&](const Candidate& c) { return c.score < limit; });
  }
  set_weights(candidates_, largest, temperature);
  if (options_.top_p < 1.0) {
    keep_share(candidates_, CutCost::rarity, largest, temperature, options_.top_p, scratch_);
  }
  if (options_.min_p > 0.0) keep_weight(candidates_, options_.min_p);
  if (options_.typical_p < 1.0) {
    keep_share(candidates_, CutCost::surprise, largest, temperature, options_.typical_p, scratch_);
  }
  double total = 0.0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  const RandomStream random(static_cast<uint64_t>(options_.seed));
  double left = random.uniform_f64_at(static_cast<uint64_t>(input.position)) * total;
  int32_t last = candidates_.front().id;
  for (const Candidate& candidate : candidates_) {
    if (candidate.weight == 0.0) continue;
    left -= candidate.weight;
    last = candidate.id;
    if (left < 0.0) break;
  }
  return last;  // rounding may leave a sliver past the last weight
}

}  // namespace cadre::infer
