#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace cadre::eval {
namespace {

struct Window {
  int64_t context;
  int64_t stride;
};

Window checked_window(const model::ModelSpec& spec, const PerplexityOptions& options) {
  Window window{options.context == 0 ? spec.max_positions : options.context, options.stride};
  if (window.context < 2 || window.context > spec.max_positions) {
    fail(ErrorKind::invalid_input, "context = {}, expected 2 to {} (the model's context)",
         window.context, spec.max_positions);
  }
  if (window.stride == 0) window.stride = std::max<int64_t>(1, window.context / 2);
  if (window.stride < 1 || window.stride >= window.context) {
    fail(ErrorKind::invalid_input, "stride = {}, expected 1 to {} (less than the context)",
         window.stride, window.context - 1);
  }
  return window;
}

}  // namespace

PerplexityResult perplexity(Context& ctx, const model::Decoder& decoder,
                            std::span<const int32_t> tokens, int64_t text_bytes,
                            const PerplexityOptions& options,
                            const std::function<void(double)>& progress) {
  const auto count = static_cast<int64_t>(tokens.size());
  const Window window = checked_window(decoder.spec(), options);
  if (count < 2) {
    fail(ErrorKind::invalid_input, "the text has {} tokens, expected at least 2", count);
  }
  PerplexityResult result;
  // Targets [1, scored) have been scored; a window [begin, end) predicts targets up to end.
  int64_t scored = 1;
  while (scored < count) {
    const bool first = scored == 1;
    const int64_t end = std::min(count - 1, first ? window.context : scored - 1 + window.stride);
    const int64_t begin = std::max<int64_t>(0, end - window.context);
    std::vector<int32_t> inputs(tokens.begin() + begin, tokens.begin() + end);
    std::vector<int32_t> targets(inputs.size(), -1);
    for (int64_t t = scored; t <= end; ++t) {
      targets[static_cast<size_t>(t - 1 - begin)] = tokens[static_cast<size_t>(t)];
    }
    const std::vector<float> weights(inputs.size(), 1.0f);
    const int64_t start = 0;
    const nn::ForwardInput input = model::packed_input(std::move(inputs), std::span(&start, 1));
    const Tensor hidden = decoder.hidden(ctx, input, nullptr);
    const ops::CrossEntropyResult loss = decoder.loss(ctx, hidden, targets, weights);
    for (const float nats : loss.token_losses) result.total_nats += nats;
    result.num_tokens += end + 1 - scored;
    scored = end + 1;
    if (progress) progress(static_cast<double>(scored) / static_cast<double>(count));
  }
  result.nats_per_token = result.total_nats / static_cast<double>(result.num_tokens);
  result.perplexity = std::exp(result.nats_per_token);
  if (text_bytes > 0) {
    result.bits_per_byte = result.total_nats / std::log(2.0) / static_cast<double>(text_bytes);
  }
  return result;
}

}  // namespace cadre::eval
