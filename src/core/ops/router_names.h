// The choices of core/ops/router_spec.h by name, as configurations and model files write them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ops/router_spec.h"

namespace cadre::ops {

template <typename Value>
struct Named {
  std::string_view name;
  Value value;
};

inline constexpr Named<RouterKind> kRouterKindNames[] = {{"linear", RouterKind::linear},
                                                         {"attention", RouterKind::attention}};
inline constexpr Named<Scoring> kScoringNames[] = {
    {"softmax", Scoring::softmax},
    {"softmax_of_chosen", Scoring::softmax_of_chosen},
    {"sigmoid", Scoring::sigmoid}};
inline constexpr Named<SecondExpert> kSecondExpertNames[] = {{"always", SecondExpert::always},
                                                             {"threshold", SecondExpert::threshold},
                                                             {"random", SecondExpert::random}};
inline constexpr Named<Priority> kPriorityNames[] = {
    {"position", Priority::position}, {"score", Priority::score}, {"random", Priority::random}};
inline constexpr Named<LogitNoise> kLogitNoiseNames[] = {
    {"none", LogitNoise::none},
    {"gaussian", LogitNoise::gaussian},
    {"gumbel", LogitNoise::gumbel},
    {"gumbel_second", LogitNoise::gumbel_second}};

template <typename Value, size_t kCount>
std::string_view name_of(const Named<Value> (&names)[kCount], Value value) {
  for (const auto& named : names) {
    if (named.value == value) return named.name;
  }
  return {};
}

// Empty for a name that is not among them.
template <typename Value, size_t kCount>
std::optional<Value> value_of(const Named<Value> (&names)[kCount], std::string_view name) {
  for (const auto& named : names) {
    if (named.name == name) return named.value;
  }
  return std::nullopt;
}

// `first`, if not empty, and then all names.
template <typename Value, size_t kCount>
std::vector<std::string> names_of(const Named<Value> (&names)[kCount],
                                  std::string_view first = "") {
  std::vector<std::string> result;
  if (!first.empty()) result.emplace_back(first);
  for (const auto& named : names) result.emplace_back(named.name);
  return result;
}

}  // namespace cadre::ops
