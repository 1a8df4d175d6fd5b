#include "quant/choose.h"

#include <algorithm>
#include <limits>

#include "core/base/error.h"

namespace cadre::quant {
namespace {

constexpr int64_t kSteps = 16384;
constexpr double kNever = std::numeric_limits<double>::infinity();

int64_t least_bytes(const std::vector<FormatChoice>& choices) {
  return std::ranges::min_element(choices, {}, &FormatChoice::bytes)->bytes;
}

class Table {
 public:
  Table(const std::vector<std::vector<FormatChoice>>& choices, int64_t spare)
      : choices_(choices), unit_(std::max<int64_t>(1, spare / kSteps)), steps_(spare / unit_) {
    std::vector<double> best(static_cast<size_t>(steps_) + 1, kNever);
    best[0] = 0.0;
    for (const std::vector<FormatChoice>& own : choices_) {
      std::vector<double> next(best.size(), kNever);
      std::vector<uint8_t> taken(best.size(), 0);
      for (size_t c = 0; c < own.size(); ++c) {
        const int64_t cost = steps_of(own, c);
        for (int64_t at = cost; at <= steps_; ++at) {
          const double error = best[static_cast<size_t>(at - cost)] + own[c].error;
          if (error < next[static_cast<size_t>(at)]) {
            next[static_cast<size_t>(at)] = error;
            taken[static_cast<size_t>(at)] = static_cast<uint8_t>(c);
          }
        }
      }
      best = std::move(next);
      taken_.push_back(std::move(taken));
    }
    best_ = std::move(best);
  }

  int64_t steps() const { return steps_; }

  // The best choices of at most so many steps.
  std::vector<int64_t> within(int64_t limit) const {
    const auto end = best_.begin() + limit + 1;
    int64_t at = std::min_element(best_.begin(), end) - best_.begin();
    std::vector<int64_t> chosen(choices_.size(), 0);
    for (size_t t = choices_.size(); t-- > 0;) {
      const size_t choice = taken_[t][static_cast<size_t>(at)];
      chosen[t] = static_cast<int64_t>(choice);
      at -= steps_of(choices_[t], choice);
    }
    return chosen;
  }

 private:
  // Beyond the least, to the nearest step: errors of rounding cancel out.
  int64_t steps_of(const std::vector<FormatChoice>& own, size_t choice) const {
    return (own[choice].bytes - least_bytes(own) + unit_ / 2) / unit_;
  }

  const std::vector<std::vector<FormatChoice>>& choices_;
  int64_t unit_;
  int64_t steps_;
  std::vector<double> best_;                 // by steps
  std::vector<std::vector<uint8_t>> taken_;  // by tensor, then by steps
};

}  // namespace

std::vector<int64_t> choose_formats(const std::vector<std::vector<FormatChoice>>& choices,
                                    int64_t budget) {
  int64_t least = 0;
  for (const std::vector<FormatChoice>& own : choices) {
    CADRE_CHECK(!own.empty() && own.size() < 256);
    least += least_bytes(own);
  }
  if (budget < least) {
    fail(ErrorKind::invalid_input, "a size of {} bytes is too small: the least possible is {}",
         budget, least);
  }
  const Table table(choices, budget - least);
  // What rounding to steps has hidden may be too much by a little.
  for (int64_t limit = table.steps();; --limit) {
    CADRE_CHECK(limit >= 0);
    std::vector<int64_t> chosen = table.within(limit);
    int64_t bytes = 0;
    for (size_t t = 0; t < choices.size(); ++t) {
      bytes += choices[t][static_cast<size_t>(chosen[t])].bytes;
    }
    if (bytes <= budget) return chosen;
  }
}

}  // namespace cadre::quant
