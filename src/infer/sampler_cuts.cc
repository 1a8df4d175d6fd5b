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
// exp(-kMostRare) is next to nothing.
constexpr double kMostRare = 700.0;

double inverse_of(double temperature) { return std::min(1.0 / temperature, 1e300); }

}  // namespace

void collect_candidates(std::span<const float> scores, std::span<const uint64_t> allowed,
                        int64_t top_k, Candidates& out) {
  out.clear();
  const auto add = [&](int32_t id, float score) { out.push_back({id, score, 0.0}); };
  // Room for as many as there could be: it must not grow with a later token.
  if (top_k <= 0 || static_cast<size_t>(top_k) >= scores.size()) {
    out.reserve(scores.size());
    for_each_allowed(scores, allowed, add);
    return;
  }
  // What is not better than the worst of k others cannot be among the best k; a later one that is
  // equal has a higher id. So the threshold rises as better ones are found.
  const auto count = static_cast<size_t>(top_k);
  const size_t room = 2 * count + 256;
  out.reserve(std::min(room, scores.size()));
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

float largest_score(const Candidates& candidates) {
  float largest = kForbidden;
  for (const Candidate& candidate : candidates) largest = std::max(largest, candidate.score);
  return largest;
}

void set_weights(Candidates& candidates, float largest, double temperature) {
  const double inverse = inverse_of(temperature);
  for (Candidate& candidate : candidates) {
    candidate.weight = std::exp((static_cast<double>(candidate.score) - largest) * inverse);
  }
}

void keep_share(Candidates& candidates, CutCost cost, float largest, double temperature,
                double share, CutScratch& scratch) {
  if (candidates.size() <= 1) return;
  const double inverse = inverse_of(temperature);
  const auto rarity = [&](const Candidate& candidate) {
    return (static_cast<double>(largest) - candidate.score) * inverse;
  };
  // -log p is rarity + log(total), and the entropy its mean, so that log(total) drops out.
  double mean = 0.0;
  if (cost == CutCost::surprise) {
    double sum = 0.0;
    for (const Candidate& candidate : candidates) {
      sum += candidate.weight;
      mean += candidate.weight * std::min(rarity(candidate), kMostRare);
    }
    mean /= sum;
  }
  const auto cost_of = [&](const Candidate& candidate) {
    return cost == CutCost::rarity ? rarity(candidate) : std::fabs(rarity(candidate) - mean);
  };
  // In units of bins; whatever is dearer goes into the last one.
  const auto place_of = [&](const Candidate& candidate) {
    return std::min(cost_of(candidate) * kBinsPerUnit, static_cast<double>(kBins - 1));
  };

  scratch.masses.assign(kBins, 0.0);
  double total = 0.0;
  for (const Candidate& candidate : candidates) {
    scratch.masses[static_cast<size_t>(place_of(candidate))] += candidate.weight;
    total += candidate.weight;
  }
  // A bin without mass has nothing to choose from.
  const double target = share * total;
  double before = 0.0;
  size_t boundary = 0;
  while (boundary < kBins &&
         (scratch.masses[boundary] == 0.0 || before + scratch.masses[boundary] < target)) {
    before += scratch.masses[boundary++];
  }
  if (boundary == kBins) return;  // rounding: the share is all there is

  std::vector<Candidate>& inside = scratch.boundary;
  inside.clear();
  inside.reserve(candidates.capacity());
  size_t size = 0;
  const auto begin = static_cast<double>(boundary);
  for (const Candidate& candidate : candidates) {
    const double place = place_of(candidate);
    if (place >= begin + 1.0) continue;
    if (place >= begin) {
      inside.push_back(candidate);
    } else {
      candidates[size++] = candidate;
    }
  }
  std::ranges::sort(inside, [&](const Candidate& a, const Candidate& b) {
    const double ca = cost_of(a);
    const double cb = cost_of(b);
    return ca < cb || (ca == cb && a.id < b.id);
  });
  size_t kept = 0;
  while (kept < inside.size() && (kept == 0 || before < target)) before += inside[kept++].weight;
  inside.resize(kept);
  std::ranges::sort(inside, {}, &Candidate::id);
  // Both by ascending id, merged from the end.
  candidates.resize(size + kept);
  for (size_t to = size + kept; kept > 0;) {
    const bool first = size > 0 && candidates[size - 1].id > inside[kept - 1].id;
    candidates[--to] = first ? candidates[--size] : inside[--kept];
  }
}

void keep_weight(Candidates& candidates, double least) {
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.weight < least; });
}

}  // namespace cadre::infer
