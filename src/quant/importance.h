// How much each column of a weight matters: the mean square of the input it meets.
//
// If weights W become W + D, the output of a linear layer moves by D x, and the expected square of
// that, sum over rows and columns of D[r, i]^2 E[x_i^2] but for correlations among inputs, is what
// rounding has to keep small. The experts of a layer meet different tokens, so each has its own
// means.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/parameters.h"

namespace cadre::quant {

// What the matrices of one parameter have met.
struct InputStatistics {
  int64_t matrices = 0;         // E, or 1; 0 if nothing is known of this parameter
  int64_t columns = 0;          // K
  std::vector<double> squares;  // [E, K]: sums of x_i^2 over tokens
  std::vector<double> tokens;   // [E]
};

// The tokens that reached each expert of a layer.
struct ExpertCoverage {
  int64_t layer = 0;
  std::vector<double> tokens;
  int64_t unreached() const;
};

// Not for several threads while it is filled.
class Importance {
 public:
  explicit Importance(std::vector<model::ParameterSpec> parameters);

  const std::vector<model::ParameterSpec>& parameters() const { return parameters_; }
  InputStatistics& of(int64_t parameter) { return statistics_[static_cast<size_t>(parameter)]; }
  const InputStatistics& of(int64_t parameter) const {
    return statistics_[static_cast<size_t>(parameter)];
  }
  bool knows(int64_t parameter) const;

  // The importance of each column of a matrix, empty if nothing is known of the parameter:
  //
  //   (squares[e, i] + kPriorTokens * mean[i]) / (tokens[e] + kPriorTokens),
  //   mean[i] = sum over e of squares[e, i] / sum over e of tokens[e]
  //
  // so an expert that met few tokens is drawn towards the mean of its layer, and one that met none
  // has that mean. No column counts for less than kFloor of the average one: text that is not the
  // calibration's may use it.
  std::vector<float> columns(int64_t parameter, int64_t matrix) const;
  // tokens[e] + kPriorTokens as a share of their sum: how much a matrix counts beside the others of
  // its parameter. All alike if nothing is known.
  std::vector<double> shares(int64_t parameter) const;

  // Layer by layer, from the first matrix of the experts.
  std::vector<ExpertCoverage> coverage() const;

  static constexpr double kPriorTokens = 32.0;
  static constexpr double kFloor = 1e-3;

 private:
  std::vector<model::ParameterSpec> parameters_;
  std::vector<InputStatistics> statistics_;
};

}  // namespace cadre::quant
