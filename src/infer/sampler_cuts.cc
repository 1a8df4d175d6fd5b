#include "infer/sampler_cuts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace cadre::infer {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

// Calls visit(id, score) for each token that can come, by ascending id.
template <typename Visit>
void for_each_allowed(std::span<const float> scores, std::span<const uint64_t> allowed,
                      const Visit& visit) {
  if (allowed.empty()) {
    for (size_t id = 0; id < scores.size(); ++id) {
      if (scores[id] > kForbidden) visit(static_cast<int32_t>(id), scores[id]);
    }
    return;
  }
  for (size_t word = 0; word < allowed.size(); ++word) {
    for (uint64_t bits = allowed[word]; bits != 0; bits &= bits - 1) {
      const size_t id = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      if (id >= scores.size()) return;
      if (scores[id] > kForbidden) visit(static_cast<int32_t>(id), scores[id]);
    }
  }
}

bool is_better(const Candidate& a, const Candidate& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

void trim(Candidates& candidates, size_t count) {
  if (candidates.size() <= count) return;
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<int64_t>(count),
                   candidates.end(), is_better);
  candidates.resize(count);
}

// Costs are sorted into bins this wide; only the bin where the share is reached is sorted itself.
constexpr double kBinsPerUnit = 16.0;
constexpr size_t kBins = 1024;

}  // namespace

void collect_candidates(std::span<const float> scores, std::span<const uint64_t> allowed,
                        int64_t top_k, Candidates& out) {
  out.clear();
  const auto add = [&](int32_t id, float score) { out.push_back({id, score, 0.0}); };
  if (top_k <= 0 || static_cast<size_t>(top_k) >= scores.size()) {
    for_each_allowed(scores, allowed, add);
    return;
  }
  // What is not better than the worst of k others cannot be among the best k; a later one that is
  // equal has a higher id. So the threshold rises as better ones are found.
  const auto count = static_cast<size_t>(top_k);
  const size_t room = 2 * count + 256;
  float threshold = kForbidden;
  for_each_allowed(scores, allowed, [&](int32_t id, float score) {
    if (score <= threshold) return;
    add(id, score);
    if (out.size() < room) return;
    trim(out, count);
    threshold = std::max_element(out.begin(), out.end(), is_better)->score;
  });
  trim(out, count);
  std::ranges::sort(out, {}, &Candidate::id);
}

void keep_share(Candidates& candidates, CutCost cost, double temperature, double share,
                CutScratch& scratch) {
  if (candidates.size() <= 1) return;
  float largest = kForbidden;
  double total = 0.0;
  for (const Candidate& candidate : candidates) {
    largest = std::max(largest, candidate.score);
    total += candidate.weight;
  }
  const auto rarity = [&](const Candidate& candidate) {
    return (static_cast<double>(largest) - candidate.score) / temperature;
  };
  // -log p is rarity + log(total), and the entropy its mean, so that log(total) drops out.
  double mean = 0.0;
  if (cost == CutCost::surprise) {
    for (const Candidate& candidate : candidates) {
      if (candidate.weight > 0.0) mean += candidate.weight * rarity(candidate);
    }
    mean /= total;
  }
  const auto cost_of = [&](const Candidate& candidate) {
    return cost == CutCost::rarity ? rarity(candidate) : std::fabs(rarity(candidate) - mean);
  };
  const auto bin_of = [&](double value) {
    return static_cast<size_t>(std::min(value * kBinsPerUnit, static_cast<double>(kBins - 1)));
  };

  scratch.masses.assign(kBins, -1.0);  // -1: the bin is empty
  for (const Candidate& candidate : candidates) {
    double& mass = scratch.masses[bin_of(cost_of(candidate))];
    mass = std::max(mass, 0.0) + candidate.weight;
  }
  const double target = share * total;
  double before = 0.0;
  size_t boundary = 0;
  for (; boundary < kBins; ++boundary) {
    const double mass = scratch.masses[boundary];
    if (mass < 0.0) continue;
    if (before + mass >= target) break;
    before += mass;
  }
  if (boundary == kBins) return;  // rounding: the share is all there is

  std::vector<int64_t>& inside = scratch.boundary;
  inside.clear();
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (bin_of(cost_of(candidates[i])) == boundary) inside.push_back(static_cast<int64_t>(i));
  }
  const auto at = [&](int64_t i) -> const Candidate& { return candidates[static_cast<size_t>(i)]; };
  const auto cheaper = [&](int64_t a, int64_t b) {
    const double ca = cost_of(at(a));
    const double cb = cost_of(at(b));
    return ca < cb || (ca == cb && a < b);
  };
  std::ranges::sort(inside, cheaper);
  size_t kept = 0;
  while (kept < inside.size() && (kept == 0 || before < target)) {
    before += at(inside[kept++]).weight;
  }
  const int64_t last = inside[kept - 1];
  const double last_cost = cost_of(at(last));
  size_t size = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double value = cost_of(candidates[i]);
    const bool keep = bin_of(value) < boundary || value < last_cost ||
                      (value == last_cost && static_cast<int64_t>(i) <= last);
    if (keep) candidates[size++] = candidates[i];
  }
  candidates.resize(size);
}

void keep_weight(Candidates& candidates, double least) {
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.weight < least; });
}

}  // namespace cadre::infer
