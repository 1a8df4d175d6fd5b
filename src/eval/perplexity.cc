#include "eval/perplexity.h"

#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "eval/windows.h"

namespace cadre::eval {

PerplexityResult perplexity(Context& ctx, const model::Decoder& decoder,
                            std::span<const int32_t> tokens, int64_t text_bytes,
                            const PerplexityOptions& options,
                            const std::function<void(double)>& progress) {
  const auto count = static_cast<int64_t>(tokens.size());
  PerplexityResult result;
  for (const Window& window :
       sliding_windows(count, options.context, options.stride, decoder.spec().max_positions)) {
    const auto [begin, end, first_target] = window;
    std::vector<int32_t> inputs(tokens.begin() + begin, tokens.begin() + end);
    std::vector<int32_t> targets(inputs.size(), -1);
    for (int64_t t = first_target; t <= end; ++t) {
      targets[static_cast<size_t>(t - 1 - begin)] = tokens[static_cast<size_t>(t)];
    }
    const std::vector<float> weights(inputs.size(), 1.0f);
    const int64_t start = 0;
    const nn::ForwardInput input = model::packed_input(std::move(inputs), std::span(&start, 1));
    const Tensor hidden = decoder.hidden(ctx, input, nullptr);
    const ops::CrossEntropyResult loss = decoder.loss(ctx, hidden, targets, weights);
    for (const float nats : loss.token_losses) result.total_nats += nats;
    result.num_tokens += end + 1 - first_target;
    if (!std::isfinite(result.total_nats)) {
      fail(ErrorKind::corrupt_data,
           "the loss of tokens {} to {} is not finite: the model's weights are damaged, or too "
           "large "
           "for their type",
           first_target, end);
    }
    if (progress) progress(static_cast<double>(end + 1) / static_cast<double>(count));
  }
  result.nats_per_token = result.total_nats / static_cast<double>(result.num_tokens);
  result.perplexity = std::exp(result.nats_per_token);
  if (text_bytes > 0) {
    result.bits_per_byte = result.total_nats / std::log(2.0) / static_cast<double>(text_bytes);
  }
  return result;
}

}  // namespace cadre::eval
