#include "eval/stream.h"

#include <algorithm>
#include <memory>

#include "core/base/error.h"
#include "infer/paged_cache.h"
#include "infer/pass.h"

namespace cadre::eval {
namespace {

void check(std::span<const int32_t> tokens, const StreamOptions& options) {
  if (tokens.size() < 2) {
    fail(ErrorKind::invalid_input, "the text has {} tokens, expected at least 2", tokens.size());
  }
  if (options.block < 1 || options.step_tokens < 1) {
    fail(ErrorKind::invalid_input, "block = {} and step_tokens = {}, expected at least 1 of each",
         options.block, options.step_tokens);
  }
}

// Mean nats of each block and of all, from those of each token.
class Blocks {
 public:
  Blocks(int64_t block, StreamResult& result) : block_(block), result_(result) {}

  void add(float nats) {
    sum_ += nats;
    result_.total_nats += nats;
    ++result_.num_tokens;
    if (++count_ == block_) finish();
  }
  void finish() {
    if (count_ == 0) return;
    result_.block_nats.push_back(sum_ / static_cast<double>(count_));
    sum_ = 0.0;
    count_ = 0;
  }

 private:
  int64_t block_;
  StreamResult& result_;
  double sum_ = 0.0;
  int64_t count_ = 0;
};

}  // namespace

StreamResult stream_perplexity(Context& ctx, const model::Decoder& decoder,
                               std::span<const int32_t> tokens, const StreamOptions& options,
                               const std::function<void(int64_t)>& progress) {
  check(tokens, options);
  const auto count = static_cast<int64_t>(tokens.size());
  infer::PagedCache cache(decoder.spec(), decoder.parameters().compute(),
                          {.num_tokens = count,
                           .step_tokens = options.step_tokens,
                           .type = options.cache_type,
                           .window = options.window,
                           .sinks = options.sinks,
                           .beyond_context = true,
                           .share_prefixes = false});
  infer::Pass pass(cache);
  infer::CacheSequence sequence = cache.make_sequence();
  StreamResult result;
  Blocks blocks(options.block, result);
  // The last token is a target alone.
  for (int64_t begin = 0; begin + 1 < count;) {
    const int64_t size = std::min(options.step_tokens, count - 1 - begin);
    const std::span<const int32_t> read =
        tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
    cache.reserve(ctx, sequence, size);
    pass.clear();
    pass.add(sequence, read);
    const Tensor hidden = pass.hidden(ctx, decoder);
    const std::vector<float> weights(read.size(), 1.0f);
    const ops::CrossEntropyResult loss = decoder.loss(
        ctx, hidden, tokens.subspan(static_cast<size_t>(begin + 1), read.size()), weights);
    for (const float nats : loss.token_losses) blocks.add(nats);
    result.cache_bytes = std::max(result.cache_bytes, cache.owned_bytes());
    begin += size;
    cache.commit(sequence, tokens.first(static_cast<size_t>(begin)));
    if (progress) progress(begin + 1);
  }
  blocks.finish();
  cache.abandon(sequence);
  return result;
}

}  // namespace cadre::eval
