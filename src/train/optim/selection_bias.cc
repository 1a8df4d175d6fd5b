#include "train/optim/selection_bias.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace cadre::train {

SelectionBias::SelectionBias(std::shared_ptr<const model::Parameters> parameters,
                             int64_t num_layers, double rate)
    : parameters_(std::move(parameters)), rate_(rate) {
  if (rate_ == 0.0) return;
  for (int64_t l = 0; l < num_layers; ++l) {
    const std::string name = fmt::format("blocks.{}.router_bias", l);
    if (!parameters_->contains(name)) continue;
    const int64_t index = parameters_->index_of(name);
    const auto experts = static_cast<size_t>(parameters_->tensor(index).elements());
    layers_.push_back({l, index, std::vector<int64_t>(experts, 0)});
  }
}

void SelectionBias::add(const nn::ForwardTrace& trace) {
  for (Layer& layer : layers_) {
    const std::vector<int64_t>& counts =
        trace.routers[static_cast<size_t>(layer.layer)].statistics.counts;
    for (size_t e = 0; e < counts.size(); ++e) layer.counts[e] += counts[e];
  }
}

void SelectionBias::step(bool taken) {
  for (Layer& layer : layers_) {
    const int64_t total = std::accumulate(layer.counts.begin(), layer.counts.end(), int64_t{0});
    const auto experts = std::ssize(layer.counts);
    float* bias = parameters_->tensor(layer.parameter).data<float>();
    for (int64_t e = 0; taken && e < experts; ++e) {
      const int64_t excess = layer.counts[static_cast<size_t>(e)] * experts - total;
      if (excess != 0) bias[e] += static_cast<float>(excess < 0 ? rate_ : -rate_);
    }
    std::ranges::fill(layer.counts, 0);
  }
}

}  // namespace cadre::train
