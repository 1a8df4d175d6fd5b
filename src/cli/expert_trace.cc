#include "cli/expert_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "cli/terminal.h"
#include "model/nn/forward.h"

namespace cadre::cli {

ExpertTrace::ExpertTrace(const model::ModelSpec& spec, const std::filesystem::path& file) {
  for (const model::BlockSpec& block : spec.blocks) {
    const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward);
    counts_.emplace_back(moe != nullptr ? static_cast<size_t>(moe->router.num_experts) : 0);
  }
  if (!file.empty()) file_.emplace(file);
}

void ExpertTrace::saw(int64_t layer, const nn::ForwardInput& input, const ops::Routing& routing) {
  std::vector<int64_t>& counts = counts_[static_cast<size_t>(layer)];
  const int64_t k = routing.experts.dim(1);
  for (int64_t n = 0; n < routing.experts.dim(0); ++n) {
    const int32_t* experts = routing.experts.data<int32_t>() + n * k;
    const float* weights = routing.weights.data<float>() + n * k;
    io::JsonValue met = io::JsonValue::array();
    io::JsonValue shares = io::JsonValue::array();
    for (int64_t j = 0; j < k; ++j) {
      if (experts[j] < 0) continue;
      ++counts[static_cast<size_t>(experts[j])];
      if (!file_) continue;
      met.push(experts[j]);
      shares.push(weights[j]);
    }
    if (!file_) continue;
    io::JsonValue line = io::JsonValue::object();
    line.set("position", (*input.positions)[static_cast<size_t>(n)])
        .set("token", (*input.tokens)[static_cast<size_t>(n)])
        .set("layer", layer)
        .set("experts", std::move(met))
        .set("weights", std::move(shares));
    file_->write(line.dump() + "\n");
  }
}

void ExpertTrace::finish() {
  if (file_) file_->finish();
}

void ExpertTrace::print_counts() const {
  print_error("layer  experts met  evenness  most used (share of all choices)");
  for (size_t layer = 0; layer < counts_.size(); ++layer) {
    const std::vector<int64_t>& counts = counts_[layer];
    const auto total =
        static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
    if (counts.empty() || total == 0.0) continue;
    // The entropy of the shares over that of even ones.
    double entropy = 0.0;
    for (const int64_t count : counts) {
      const double p = static_cast<double>(count) / total;
      if (count > 0) entropy -= p * std::log(p);
    }
    std::vector<size_t> order(counts.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, std::greater<>(), [&](size_t e) { return counts[e]; });
    std::string most;
    for (size_t i = 0; i < std::min<size_t>(6, order.size()); ++i) {
      most += fmt::format("{}{} ({:.1f} %)", i == 0 ? "" : ", ", order[i],
                          100.0 * static_cast<double>(counts[order[i]]) / total);
    }
    const auto met = std::ranges::count_if(counts, [](int64_t count) { return count > 0; });
    print_error(fmt::format(
        "{:>5}  {:>4} of {:<4}  {:>8.3f}  {}", layer, met, counts.size(),
        counts.size() > 1 ? entropy / std::log(static_cast<double>(counts.size())) : 1.0, most));
  }
}

io::JsonValue ExpertTrace::counts_json() const {
  io::JsonValue layers = io::JsonValue::array();
  for (const std::vector<int64_t>& counts : counts_) layers.push(counts);
  return layers;
}

}  // namespace cadre::cli
