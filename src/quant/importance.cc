#include "quant/importance.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>
#include <utility>

namespace cadre::quant {
namespace {

// "blocks.12.experts.gate_up" -> 12; -1 for names outside of blocks.
int64_t layer_of(std::string_view name) {
  constexpr std::string_view kBlocks = "blocks.";
  if (!name.starts_with(kBlocks)) return -1;
  int64_t layer = -1;
  std::from_chars(name.data() + kBlocks.size(), name.data() + name.size(), layer);
  return layer;
}

}  // namespace

int64_t ExpertCoverage::unreached() const { return std::ranges::count(tokens, 0.0); }

Importance::Importance(std::vector<model::ParameterSpec> parameters)
    : parameters_(std::move(parameters)), statistics_(parameters_.size()) {}

bool Importance::knows(int64_t parameter) const {
  const InputStatistics& statistics = of(parameter);
  return std::accumulate(statistics.tokens.begin(), statistics.tokens.end(), 0.0) > 0.0;
}

std::vector<float> Importance::columns(int64_t parameter, int64_t matrix) const {
  if (!knows(parameter)) return {};
  const InputStatistics& statistics = of(parameter);
  const auto width = static_cast<size_t>(statistics.columns);
  const auto own = static_cast<size_t>(matrix) * width;
  const double all_tokens =
      std::accumulate(statistics.tokens.begin(), statistics.tokens.end(), 0.0);
  const double tokens = statistics.tokens[static_cast<size_t>(matrix)];
  std::vector<double> means(width, 0.0);
  for (size_t at = 0; at < statistics.squares.size(); ++at) {
    means[at % width] += statistics.squares[at];
  }
  double average = 0.0;
  for (size_t i = 0; i < width; ++i) {
    means[i] = (statistics.squares[own + i] + kPriorTokens * means[i] / all_tokens) /
               (tokens + kPriorTokens);
    average += means[i] / static_cast<double>(width);
  }
  if (!(average > 0.0)) return {};
  std::vector<float> result(width);
  for (size_t i = 0; i < width; ++i) {
    result[i] = static_cast<float>(std::max(means[i] / average, kFloor));
  }
  return result;
}

std::vector<double> Importance::shares(int64_t parameter) const {
  const int64_t matrices = model::matrix_shape(parameters_[static_cast<size_t>(parameter)]).count;
  std::vector<double> shares(static_cast<size_t>(matrices), 1.0);
  if (knows(parameter)) {
    for (size_t e = 0; e < shares.size(); ++e) shares[e] = of(parameter).tokens[e] + kPriorTokens;
  }
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= sum;
  return shares;
}

std::vector<ExpertCoverage> Importance::coverage() const {
  std::vector<ExpertCoverage> layers;
  for (size_t p = 0; p < parameters_.size(); ++p) {
    const int64_t layer = layer_of(parameters_[p].name);
    if (parameters_[p].kind != model::ParameterKind::expert || statistics_[p].matrices == 0) {
      continue;
    }
    if (!layers.empty() && layers.back().layer == layer) continue;
    layers.push_back({layer, statistics_[p].tokens});
  }
  return layers;
}

}  // namespace cadre::quant
