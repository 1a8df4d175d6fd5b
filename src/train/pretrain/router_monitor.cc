#include "train/pretrain/router_monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/error.h"

namespace cadre::train {
namespace {

// Of the mean load; a router in good health rarely lets an expert fall below a fifth.
constexpr double kDeadShare = 0.01;
// Reports without a dead expert after which a warning is given anew.
constexpr int64_t kForgetAfter = 10;

bool is_dead(int64_t count, double mean) { return static_cast<double>(count) < kDeadShare * mean; }

// "3, 17, 40, ...": the first few.
std::string dead_experts(const LayerLoad& load) {
  constexpr int kNamed = 8;
  double total = 0.0;
  for (const int64_t count : load.counts) total += static_cast<double>(count);
  const double mean = total / static_cast<double>(load.counts.size());
  std::string names;
  int named = 0;
  for (size_t e = 0; e < load.counts.size(); ++e) {
    if (!is_dead(load.counts[e], mean)) continue;
    if (named++ == kNamed) return names + ", ...";
    names += fmt::format("{}{}", names.empty() ? "" : ", ", e);
  }
  return names;
}

}  // namespace

LayerLoad layer_load(const RouterSums& sums) {
  LayerLoad load;
  load.layer = sums.layer;
  load.counts = sums.counts;
  double total = 0.0;
  for (const int64_t count : sums.counts) total += static_cast<double>(count);
  const auto experts = static_cast<double>(sums.counts.size());
  if (total == 0.0) return load;
  const double mean = total / experts;
  double entropy = 0.0;
  for (const int64_t count : sums.counts) {
    const double share = static_cast<double>(count) / total;
    if (share > 0.0) entropy -= share * std::log(share);
    if (is_dead(count, mean)) ++load.dead;
    load.max_over_mean = std::max(load.max_over_mean, static_cast<double>(count) / mean);
  }
  const double largest = experts > 1.0 ? std::log(experts) : 1.0;
  const auto tokens = static_cast<double>(sums.num_tokens);
  load.load_entropy = experts > 1.0 ? entropy / largest : 1.0;
  load.router_entropy = sums.entropy_sum / tokens / largest;
  load.z = sums.squared_lse_sum / tokens;
  load.dropped_share = static_cast<double>(sums.dropped) / total;
  load.unrouted_share = static_cast<double>(sums.unrouted) / tokens;
  return load;
}

RouterMonitor::RouterMonitor(const model::ModelSpec& spec) {
  for (int64_t layer = 0; layer < spec.num_layers(); ++layer) {
    const auto& feed_forward = spec.blocks[static_cast<size_t>(layer)].feed_forward;
    const auto* moe = std::get_if<model::MoeSpec>(&feed_forward);
    if (moe == nullptr) continue;
    RouterSums sums;
    sums.layer = layer;
    sums.counts.assign(static_cast<size_t>(moe->router.num_experts), 0);
    layers_.push_back(std::move(sums));
  }
}

void RouterMonitor::add(const nn::ForwardTrace& trace) {
  for (RouterSums& sums : layers_) {
    const ops::RouterStatistics& statistics =
        trace.routers[static_cast<size_t>(sums.layer)].statistics;
    CADRE_CHECK(statistics.counts.size() == sums.counts.size());
    // Such a step is skipped, and a sum that is not a number could not be read from a checkpoint.
    if (!std::isfinite(statistics.entropy_sum + statistics.squared_lse_sum)) continue;
    sums.num_tokens += statistics.num_tokens;
    for (size_t e = 0; e < sums.counts.size(); ++e) sums.counts[e] += statistics.counts[e];
    sums.entropy_sum += statistics.entropy_sum;
    sums.squared_lse_sum += statistics.squared_lse_sum;
    sums.dropped += statistics.dropped;
    sums.unrouted += statistics.unrouted;
  }
}

RouterReport RouterMonitor::report(int64_t step, std::vector<std::string>& warnings) {
  RouterReport report;
  report.step = step;
  for (RouterSums& sums : layers_) {
    LayerLoad load = layer_load(sums);
    sums.healthy_reports = load.dead == 0 ? sums.healthy_reports + 1 : 0;
    if (sums.healthy_reports >= kForgetAfter) sums.dead_warned = 0;
    if (load.dead > sums.dead_warned) {
      warnings.push_back(fmt::format(
          "layer {}: {} of {} experts are dead (below {:.0f} % of the mean load): {}", load.layer,
          load.dead, load.counts.size(), 100 * kDeadShare, dead_experts(load)));
      sums.dead_warned = load.dead;
    }
    sums.num_tokens = 0;
    std::fill(sums.counts.begin(), sums.counts.end(), 0);
    sums.entropy_sum = 0.0;
    sums.squared_lse_sum = 0.0;
    sums.dropped = 0;
    sums.unrouted = 0;
    report.layers.push_back(std::move(load));
  }
  return report;
}

void RouterMonitor::restore(std::vector<RouterSums> sums) {
  bool same = sums.size() == layers_.size();
  for (size_t i = 0; same && i < sums.size(); ++i) {
    same = sums[i].layer == layers_[i].layer && sums[i].counts.size() == layers_[i].counts.size();
  }
  if (!same) fail(ErrorKind::corrupt_data, "trainer state: routers are those of another model");
  layers_ = std::move(sums);
}

std::vector<std::vector<int64_t>> RouterMonitor::counts() const {
  std::vector<std::vector<int64_t>> result;
  for (const RouterSums& sums : layers_) result.push_back(sums.counts);
  return result;
}

}  // namespace cadre::train
