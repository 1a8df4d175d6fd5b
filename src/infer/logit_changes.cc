#include "infer/logit_changes.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/base/error.h"
#include "infer/sampler.h"

namespace cadre::infer {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

// The last n, all of them if n is negative.
std::span<const int32_t> last(std::span<const int32_t> tokens, int64_t n) {
  const auto size = static_cast<int64_t>(tokens.size());
  return n < 0 || n >= size ? tokens : tokens.last(static_cast<size_t>(n));
}

int64_t written(const SampleInput& input) {
  return std::max<int64_t>(0, static_cast<int64_t>(input.history.size()) - input.prompt_length);
}

}  // namespace

std::pair<int32_t, float> parse_logit_bias(std::string_view text) {
  const char* end = text.data() + text.size();
  int32_t id = -1;
  auto [at, error] = std::from_chars(text.data(), end, id);
  if (error == std::errc() && id >= 0 && at != end && (*at == ':' || *at == '=')) {
    ++at;
    if (at != end && *at == '+') ++at;
    double bias = 0.0;
    const auto [last, bad] = std::from_chars(at, end, bias);
    if (bad == std::errc() && last == end && !std::isnan(bias) && bias <= 1e6) {
      return {id, bias < -1e6 ? kForbidden : static_cast<float>(bias)};
    }
  }
  fail(ErrorKind::invalid_input,
       "logit_bias: \"{}\", expected ID:BIAS with a token's id and a number up to 1e6 or -inf",
       text);
}

LogitChanges::LogitChanges(const SamplerOptions& options) : options_(options) {
  for (const std::string& text : options.logit_bias) bias_.push_back(parse_logit_bias(text));
}

bool LogitChanges::forbids_end(const SampleInput& input) const {
  return !input.stop_tokens.empty() &&
         (options_.ignore_eos || written(input) < options_.min_tokens);
}

void LogitChanges::count(std::span<const int32_t> tokens) {
  counts_.resize(std::max(counts_.size(), scores_.size()));
  counted_.reserve(counts_.size());
  for (const int32_t token : tokens) {
    if (token < 0 || static_cast<size_t>(token) >= scores_.size()) continue;
    if (counts_[static_cast<size_t>(token)]++ == 0) counted_.push_back(token);
  }
}

void LogitChanges::forget_counts() {
  for (const int32_t token : counted_) counts_[static_cast<size_t>(token)] = 0;
  counted_.clear();
}

std::span<const float> LogitChanges::apply(const SampleInput& input, bool may_end) {
  const bool no_end = !may_end && forbids_end(input);
  const bool repeat = options_.repeat_penalty != 1.0 && options_.repeat_last_n != 0;
  const bool frequency = options_.frequency_penalty != 0.0 || options_.presence_penalty != 0.0;
  if (!no_end && !repeat && !frequency && bias_.empty()) return input.logits;
  scores_.assign(input.logits.begin(), input.logits.end());
  for (const auto& [token, bias] : bias_) {
    if (static_cast<size_t>(token) >= scores_.size()) {
      fail(ErrorKind::invalid_input, "logit_bias: token {}, expected one below {}", token,
           scores_.size());
    }
    scores_[static_cast<size_t>(token)] += bias;
  }
  if (repeat) {
    count(last(input.history, options_.repeat_last_n));
    for (const int32_t token : counted_) {
      float& score = scores_[static_cast<size_t>(token)];
      score = static_cast<float>(score > 0.0f ? score / options_.repeat_penalty
                                              : score * options_.repeat_penalty);
    }
    forget_counts();
  }
  if (frequency) {
    count(last(input.history, options_.penalize_prompt ? options_.repeat_last_n : written(input)));
    for (const int32_t token : counted_) {
      const auto index = static_cast<size_t>(token);
      scores_[index] = static_cast<float>(
          scores_[index] - counts_[index] * options_.frequency_penalty - options_.presence_penalty);
    }
    forget_counts();
  }
  if (no_end) {
    for (const int32_t token : input.stop_tokens) {
      if (token >= 0 && static_cast<size_t>(token) < scores_.size()) {
        scores_[static_cast<size_t>(token)] = kForbidden;
      }
    }
  }
  return scores_;
}

}  // namespace cadre::infer
