#include "model/router_loss.h"

#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/fields.h"

namespace cadre::model {
namespace {

constexpr std::pair<std::string_view, LoadBalancing> kNames[] = {
    {"none", LoadBalancing::none},
    {"switch", LoadBalancing::switch_transformer},
    {"gshard", LoadBalancing::gshard},
    {"deepspeed", LoadBalancing::deepspeed},
    {"transformers", LoadBalancing::transformers},
    {"arctic", LoadBalancing::arctic},
    {"megatron", LoadBalancing::megatron},
    {"megablocks", LoadBalancing::megablocks},
};

struct Layers {
  std::vector<nn::RouterTrace*> traces;
  int64_t num_experts = 0;
  int64_t top_k = 0;
  int64_t num_tokens = 0;
};

Layers sparse_layers(const ModelSpec& spec, nn::ForwardTrace& trace) {
  Layers layers;
  for (size_t l = 0; l < spec.blocks.size(); ++l) {
    const auto* moe = std::get_if<MoeSpec>(&spec.blocks[l].feed_forward);
    if (moe == nullptr) continue;
    if (!layers.traces.empty()) {
      CADRE_CHECK(layers.num_experts == moe->router.num_experts &&
                  layers.top_k == moe->router.top_k);
    }
    layers.num_experts = moe->router.num_experts;
    layers.top_k = moe->router.top_k;
    layers.num_tokens = trace.routers[l].statistics.num_tokens;
    layers.traces.push_back(&trace.routers[l]);
  }
  return layers;
}

// The loss as sum_l sum_e coefficient[l][e] * (sum over tokens of p_e): the derivative of each
// probability is the coefficient, so value and gradient come from one table.
using Coefficients = std::vector<std::vector<double>>;

Coefficients balance_coefficients(const Layers& layers, LoadBalancing kind) {
  const auto num_layers = static_cast<double>(layers.traces.size());
  const auto tokens = static_cast<double>(layers.num_tokens);
  const auto experts = static_cast<double>(layers.num_experts);
  const auto top_k = static_cast<double>(layers.top_k);
  const auto width = static_cast<size_t>(layers.num_experts);
  Coefficients result(layers.traces.size(), std::vector<double>(width, 0.0));
  std::vector<double> joint(width, 0.0);
  for (const nn::RouterTrace* trace : layers.traces) {
    for (size_t e = 0; e < width; ++e) {
      joint[e] += static_cast<double>(trace->statistics.counts[e]);
    }
  }
  for (size_t l = 0; l < layers.traces.size(); ++l) {
    const ops::RouterStatistics& statistics = layers.traces[l]->statistics;
    for (size_t e = 0; e < width; ++e) {
      const auto count = static_cast<double>(statistics.counts[e]);
      const auto first = static_cast<double>(statistics.first_counts[e]);
      const double all = num_layers * tokens;
      switch (kind) {
        case LoadBalancing::none:
          break;
        case LoadBalancing::transformers:
          result[l][e] = experts * (joint[e] / all) / all;
          break;
        case LoadBalancing::gshard:
          result[l][e] = (first / tokens) / tokens / experts;
          break;
        case LoadBalancing::arctic:
          result[l][e] = experts * (count / tokens) / tokens;
          break;
        case LoadBalancing::switch_transformer:
        case LoadBalancing::deepspeed:
          result[l][e] = experts * (first / tokens) / tokens;
          break;
        case LoadBalancing::megatron:
          result[l][e] = experts * (count / (tokens * top_k)) / tokens;
          break;
        case LoadBalancing::megablocks:
          result[l][e] = experts * (count / (tokens * top_k)) / all;
          break;
      }
    }
  }
  return result;
}

// CV^2 of x, and its derivative times `weight` into `gradient`.
double squared_variation(const std::vector<double>& x, double weight,
                         std::vector<float>& gradient) {
  constexpr double kEpsilon = 1e-10;
  gradient.clear();
  const auto count = static_cast<double>(x.size());
  double mean = 0.0;
  for (const double value : x) mean += value / count;
  double variance = 0.0;
  for (const double value : x) variance += (value - mean) * (value - mean) / count;
  const double square = mean * mean + kEpsilon;
  for (const double value : x) {
    const double slope = (2.0 * (value - mean) - 2.0 * mean * variance / square) / (count * square);
    gradient.push_back(static_cast<float>(weight * slope));
  }
  return variance / square;
}

void add_noisy_losses(const RouterLossOptions& options, double scale, nn::RouterTrace& router,
                      RouterLosses& losses) {
  std::vector<float> gradient;
  const auto term = [&](const std::vector<double>& sums, double weight) {
    return sums.empty() ? 0.0 : squared_variation(sums, scale * weight, gradient);
  };
  losses.importance += term(router.statistics.importance, options.importance_weight);
  if (router.gradient && options.importance_weight > 0.0) {
    router.gradient->importance_gradient = gradient;
  }
  gradient.clear();
  losses.load += term(router.statistics.load, options.load_weight);
  if (router.gradient && options.load_weight > 0.0) router.gradient->load_gradient = gradient;
}

}  // namespace

LoadBalancing load_balancing_from_name(const std::string& name) {
  for (const auto& [known, kind] : kNames) {
    if (name == known) return kind;
  }
  fail(ErrorKind::invalid_input, "unknown load-balancing loss \"{}\"; did you mean \"{}\"?", name,
       nearest_name(name, load_balancing_names()));
}

std::vector<std::string> load_balancing_names() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kNames) names.emplace_back(name);
  return names;
}

RouterLosses apply_router_losses(const ModelSpec& spec, const RouterLossOptions& options,
                                 double scale, nn::ForwardTrace& trace) {
  RouterLosses losses;
  const Layers layers = sparse_layers(spec, trace);
  if (layers.traces.empty() || layers.num_tokens == 0) return losses;
  const Coefficients coefficients = balance_coefficients(layers, options.load_balancing);
  const double z_share =
      1.0 / (static_cast<double>(layers.traces.size()) * static_cast<double>(layers.num_tokens) *
             (options.z_divides_by_top_k ? static_cast<double>(layers.top_k) : 1.0));
  for (size_t l = 0; l < layers.traces.size(); ++l) {
    nn::RouterTrace& router = *layers.traces[l];
    losses.z += router.statistics.squared_lse_sum * z_share;
    add_noisy_losses(options, scale, router, losses);
    for (size_t e = 0; e < coefficients[l].size(); ++e) {
      losses.load_balancing += coefficients[l][e] * router.statistics.probability_sums[e];
    }
    if (!router.gradient) continue;
    router.gradient->z_gradient = static_cast<float>(scale * options.z_weight * z_share);
    router.gradient->probability_gradient.clear();
    if (options.load_balancing == LoadBalancing::none) continue;
    for (const double coefficient : coefficients[l]) {
      router.gradient->probability_gradient.push_back(
          static_cast<float>(scale * options.load_balancing_weight * coefficient));
    }
  }
  losses.weighted_sum =
      options.load_balancing_weight * losses.load_balancing + options.z_weight * losses.z +
      options.importance_weight * losses.importance + options.load_weight * losses.load;
  return losses;
}

}  // namespace cadre::model
