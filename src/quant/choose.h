// Choosing a format for each tensor so that all fit a size and lose least.
#pragma once

#include <cstdint>
#include <vector>

namespace cadre::quant {

struct FormatChoice {
  int64_t bytes = 0;
  double error = 0.0;
};

// For each list of choices the index of one, such that the bytes add up to at most `budget` and the
// errors to as little as possible: the multiple-choice knapsack problem, solved by dynamic
// programming over 16384 steps of size (Dudzinski and Walukiewicz, European Journal of Operational
// Research 28, 1987). Every list has a choice. Of equal sums the smaller size is taken. Throws
// Error(invalid_input), saying the least possible size, if the budget is below it.
std::vector<int64_t> choose_formats(const std::vector<std::vector<FormatChoice>>& choices,
                                    int64_t budget);

}  // namespace cadre::quant
