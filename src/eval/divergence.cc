#include "eval/divergence.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "eval/windows.h"

namespace cadre::eval {
namespace {

constexpr int64_t kLogits = int64_t{8} << 20;  // of one model, at a time

// What is kept of each token.
struct TokenScore {
  double nats_a = 0.0;
  double nats_b = 0.0;
  double kl = 0.0;
  bool same_top = false;
};

// The first of the largest logits.
int64_t top_of(const float* logits, int64_t count) {
  return std::max_element(logits, logits + count) - logits;
}

// With A = sum exp(a - max a), B likewise and T = sum exp(a - max a) (a - b):
// KL = T / A - ln A - max a + ln B + max b.
TokenScore compare(const float* a, const float* b, int64_t vocab, int64_t target) {
  TokenScore score;
  const int64_t top_a = top_of(a, vocab);
  const int64_t top_b = top_of(b, vocab);
  const double max_a = a[top_a];
  const double max_b = b[top_b];
  double sum_a = 0.0;
  double sum_b = 0.0;
  double difference = 0.0;
  for (int64_t i = 0; i < vocab; ++i) {
    const double p = std::exp(a[i] - max_a);
    sum_a += p;
    sum_b += std::exp(b[i] - max_b);
    difference += p * (static_cast<double>(a[i]) - b[i]);
  }
  const double log_a = std::log(sum_a) + max_a;
  const double log_b = std::log(sum_b) + max_b;
  score.nats_a = log_a - a[target];
  score.nats_b = log_b - b[target];
  // Below zero by rounding only.
  score.kl = std::max(0.0, difference / sum_a - log_a + log_b);
  score.same_top = top_a == top_b;
  return score;
}

bool is_finite(const TokenScore& score) {
  return std::isfinite(score.nats_a) && std::isfinite(score.nats_b) && std::isfinite(score.kl);
}

const model::MoeSpec* mixture(const model::ModelSpec& spec, int64_t layer) {
  return std::get_if<model::MoeSpec>(&spec.blocks[static_cast<size_t>(layer)].feed_forward);
}

// The layers whose choices of experts can be compared.
std::vector<LayerAgreement> comparable_layers(const model::ModelSpec& a,
                                              const model::ModelSpec& b) {
  std::vector<LayerAgreement> layers;
  if (a.num_layers() != b.num_layers()) return layers;
  for (int64_t layer = 0; layer < a.num_layers(); ++layer) {
    const model::MoeSpec* one = mixture(a, layer);
    const model::MoeSpec* other = mixture(b, layer);
    if (one == nullptr || other == nullptr) continue;
    if (one->router.num_experts == other->router.num_experts) layers.push_back({layer, 0.0, 0.0});
  }
  return layers;
}

std::span<const int32_t> choices(const nn::RouterTrace& trace, int64_t row) {
  const int64_t k = trace.experts.dim(1);
  return {trace.experts.data<int32_t>() + row * k, static_cast<size_t>(k)};
}

// Adds the agreement of rows [first, rows) of a window.
void add_agreement(const nn::RouterTrace& a, const nn::RouterTrace& b, int64_t first,
                   LayerAgreement& sum) {
  for (int64_t row = first; row < a.experts.dim(0); ++row) {
    const auto chosen = [](int32_t expert) { return expert >= 0; };
    const std::span<const int32_t> in_a = choices(a, row);
    const std::span<const int32_t> in_b = choices(b, row);
    const auto most =
        std::max(std::ranges::count_if(in_a, chosen), std::ranges::count_if(in_b, chosen));
    const auto both = std::ranges::count_if(in_a, [&](int32_t expert) {
      return expert >= 0 && std::ranges::find(in_b, expert) != in_b.end();
    });
    sum.experts += most == 0 ? 1.0 : static_cast<double>(both) / static_cast<double>(most);
    sum.all += both == most ? 1.0 : 0.0;
  }
}

struct Moments {
  double mean = 0.0;
  double error = 0.0;
};

Moments moments(const std::vector<TokenScore>& scores, double (*value)(const TokenScore&)) {
  const auto n = static_cast<double>(scores.size());
  Moments result;
  for (const TokenScore& score : scores) result.mean += value(score);
  result.mean /= n;
  for (const TokenScore& score : scores) {
    result.error += (value(score) - result.mean) * (value(score) - result.mean);
  }
  result.error = n > 1.0 ? std::sqrt(result.error / (n - 1.0) / n) : 0.0;
  return result;
}

double percentile(const std::vector<double>& ascending, double share) {
  const double rank = std::ceil(share * static_cast<double>(ascending.size()));
  return ascending[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

void summarise(const std::vector<TokenScore>& scores, DivergenceResult& result) {
  result.num_tokens = static_cast<int64_t>(scores.size());
  const auto n = static_cast<double>(scores.size());
  const auto nats_a = moments(scores, [](const TokenScore& s) { return s.nats_a; });
  const auto nats_b = moments(scores, [](const TokenScore& s) { return s.nats_b; });
  const auto ratio = moments(scores, [](const TokenScore& s) { return s.nats_b - s.nats_a; });
  const auto kl = moments(scores, [](const TokenScore& s) { return s.kl; });
  result.perplexity_a = std::exp(nats_a.mean);
  result.perplexity_b = std::exp(nats_b.mean);
  result.log_ratio = ratio.mean;
  result.log_ratio_error = ratio.error;
  result.mean_kl = kl.mean;
  result.mean_kl_error = kl.error;
  std::vector<double> sorted;
  for (const TokenScore& score : scores) {
    sorted.push_back(score.kl);
    result.same_top += score.same_top ? 1.0 : 0.0;
    const double change = std::exp(-score.nats_b) - std::exp(-score.nats_a);
    result.probability_rms += change * change;
  }
  result.same_top /= n;
  result.probability_rms = std::sqrt(result.probability_rms / n);
  std::ranges::sort(sorted);
  result.median_kl = percentile(sorted, 0.5);
  result.kl_90 = percentile(sorted, 0.9);
  result.kl_99 = percentile(sorted, 0.99);
  result.max_kl = sorted.back();
}

}  // namespace

DivergenceResult divergence(Context& ctx, const model::Decoder& a, const model::Decoder& b,
                            std::span<const int32_t> tokens, const DivergenceOptions& options,
                            const std::function<void(double)>& progress) {
  const int64_t vocab = a.spec().vocab_size;
  if (vocab != b.spec().vocab_size) {
    fail(ErrorKind::invalid_input,
         "the models have vocabularies of {} and {} tokens, expected the same", vocab,
         b.spec().vocab_size);
  }
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t longest = std::min(a.spec().max_positions, b.spec().max_positions);
  const int64_t step = std::clamp<int64_t>(kLogits / vocab, 1, 512);
  DivergenceResult result;
  result.layers = comparable_layers(a.spec(), b.spec());
  std::vector<TokenScore> scores;
  for (const Window& window : sliding_windows(count, options.context, options.stride, longest)) {
    const std::vector<int32_t> inputs(tokens.begin() + window.begin, tokens.begin() + window.end);
    const int64_t start = 0;
    const nn::ForwardInput input = model::packed_input(inputs, std::span(&start, 1));
    nn::ForwardTrace trace_a;
    nn::ForwardTrace trace_b;
    const Tensor hidden_a = a.hidden(ctx, input, &trace_a);
    const Tensor hidden_b = b.hidden(ctx, input, &trace_b);
    const int64_t rows = window.end - window.begin;
    const int64_t first = window.first_target - 1 - window.begin;
    for (int64_t begin = first; begin < rows; begin += step) {
      const int64_t end = std::min(begin + step, rows);
      const Tensor logits_a = a.logits(ctx, hidden_a.slice(begin, end));
      const Tensor logits_b = b.logits(ctx, hidden_b.slice(begin, end));
      const size_t at = scores.size();
      scores.resize(at + static_cast<size_t>(end - begin));
      ctx.for_blocks(end - begin, 1, [&](Range range) {
        for (int64_t i = range.begin; i < range.end; ++i) {
          const int64_t target = window.begin + begin + i + 1;
          scores[at + static_cast<size_t>(i)] =
              compare(logits_a.data<float>() + i * vocab, logits_b.data<float>() + i * vocab, vocab,
                      tokens[static_cast<size_t>(target)]);
        }
      });
      for (int64_t i = 0; i < end - begin; ++i) {
        if (is_finite(scores[at + static_cast<size_t>(i)])) continue;
        fail(ErrorKind::corrupt_data,
             "the logits for token {} are not finite: the weights of a model are damaged",
             window.begin + begin + i + 1);
      }
    }
    for (LayerAgreement& layer : result.layers) {
      const auto l = static_cast<size_t>(layer.layer);
      add_agreement(trace_a.routers[l], trace_b.routers[l], first, layer);
    }
    if (progress) progress(static_cast<double>(window.end + 1) / static_cast<double>(count));
  }
  summarise(scores, result);
  for (LayerAgreement& layer : result.layers) {
    layer.experts /= static_cast<double>(result.num_tokens);
    layer.all /= static_cast<double>(result.num_tokens);
  }
  return result;
}

}  // namespace cadre::eval
