#include "data/source_schedule.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/error.h"

namespace cadre::data {
namespace {

constexpr int64_t kLongestPeriod = 65536;

// Whole weights of the shares with the smallest period that meets them to nine digits.
std::vector<int64_t> exact_counts(const std::vector<double>& shares) {
  for (int64_t period = 1; period <= kLongestPeriod; ++period) {
    std::vector<int64_t> counts;
    bool exact = true;
    for (size_t s = 0; s < shares.size() && exact; ++s) {
      const double count = shares[s] * static_cast<double>(period);
      counts.push_back(std::llround(count));
      exact = std::fabs(count - static_cast<double>(counts.back())) < 1e-9 * count;
      exact = exact || shares[s] == 0.0;
    }
    if (exact && std::accumulate(counts.begin(), counts.end(), int64_t{0}) == period) return counts;
  }
  return {};
}

// The longest period, shares rounded by largest remainder; a source with a weight keeps one slot.
std::vector<int64_t> rounded_counts(const std::vector<double>& shares) {
  std::vector<int64_t> counts;
  std::vector<size_t> order;
  int64_t left = kLongestPeriod;
  for (size_t s = 0; s < shares.size(); ++s) {
    const auto whole = static_cast<int64_t>(shares[s] * kLongestPeriod);
    counts.push_back(shares[s] > 0.0 ? std::max<int64_t>(whole, 1) : 0);
    left -= counts.back();
    order.push_back(s);
  }
  const auto remainder = [&](size_t s) {
    return shares[s] * kLongestPeriod - static_cast<double>(counts[s]);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return remainder(a) > remainder(b); });
  for (size_t i = 0; left > 0; ++i, --left) ++counts[order[i % order.size()]];
  // Sources that were lifted to one slot take it from the largest.
  for (; left < 0; ++left) --*std::max_element(counts.begin(), counts.end());
  return counts;
}

// One period of Tijdeman's order: of the sources that may have slot n without getting ahead of
// their share, the one whose claim expires first; ties go to the lower index.
std::vector<int32_t> order_slots(const std::vector<int64_t>& counts) {
  const int64_t period = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const int64_t active =
      std::count_if(counts.begin(), counts.end(), [](int64_t c) { return c > 0; });
  const int64_t scale = std::max<int64_t>(2 * active - 2, 1);
  std::vector<int64_t> given(counts.size(), 0);
  std::vector<int32_t> slots;
  for (int64_t n = 1; n <= period; ++n) {
    int32_t best = -1;
    int64_t best_slack = 0;
    for (size_t s = 0; s < counts.size(); ++s) {
      const int64_t claim = scale * (counts[s] * n - period * given[s]);
      if (counts[s] == 0 || (active > 1 && claim < period)) continue;
      // Slots until the deadline, times counts[s]; fractions are compared by their cross products.
      const int64_t slack = period * (scale - 1) - claim;
      if (best < 0 || static_cast<__int128>(slack) * counts[static_cast<size_t>(best)] <
                          static_cast<__int128>(best_slack) * counts[s]) {
        best = static_cast<int32_t>(s);
        best_slack = slack;
      }
    }
    CADRE_CHECK(best >= 0);
    ++given[static_cast<size_t>(best)];
    slots.push_back(best);
  }
  CADRE_CHECK(given == counts);
  return slots;
}

}  // namespace

SourceSchedule::SourceSchedule(const std::vector<double>& weights) {
  double sum = 0.0;
  for (const double weight : weights) {
    if (!(weight >= 0.0) || !std::isfinite(weight)) {
      fail(ErrorKind::invalid_input, "weight of a source is {}, expected a number of at least 0",
           weight);
    }
    sum += weight;
  }
  if (!(sum > 0.0) || !std::isfinite(sum) || weights.size() >= kLongestPeriod) {
    fail(ErrorKind::invalid_input, "weights of {} sources add up to {}, expected more than 0",
         weights.size(), sum);
  }
  std::vector<double> shares;
  for (const double weight : weights) shares.push_back(weight / sum);
  counts_ = exact_counts(shares);
  if (counts_.empty()) counts_ = rounded_counts(shares);
  sources_ = order_slots(counts_);
  std::vector<int32_t> given(weights.size(), 0);
  for (const int32_t source : sources_) earlier_.push_back(given[static_cast<size_t>(source)]++);
}

SourceSchedule::Slot SourceSchedule::at(int64_t position) const {
  CADRE_CHECK(position >= 0);
  const auto slot = static_cast<size_t>(position % period());
  const int32_t source = sources_[slot];
  return {source, position / period() * counts_[static_cast<size_t>(source)] + earlier_[slot]};
}

double SourceSchedule::share(int64_t source) const {
  return static_cast<double>(counts_[static_cast<size_t>(source)]) / static_cast<double>(period());
}

}  // namespace cadre::data
