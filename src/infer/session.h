// One sequence that is read and continued again and again, as a conversation is: what the next
// prompt has in common with the last one and its continuation is not computed again.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "infer/generator.h"

namespace cadre::infer {

// Holds the KV cache and the tokens in it. Belongs to one thread; the decoder must outlive it.
class Session {
 public:
  explicit Session(const model::Decoder& decoder);

  // As generate(), whose text it gives whatever was cached before. A session can be used after an
  // error; one in the middle of a pass leaves it empty.
  GenerateResult generate(Context& ctx, std::span<const int32_t> prompt,
                          const GenerateOptions& options,
                          const std::function<bool(int32_t)>& on_token);

  // The tokens in the cache, in order.
  const std::vector<int32_t>& cached() const { return cached_; }
  int64_t max_length() const { return cache_.max_length(); }

 private:
  // Forgets what the prompt does not begin with and returns how many of its tokens are left to use.
  int64_t keep_common_prefix(std::span<const int32_t> prompt);
  // Runs tokens behind what the cache holds; the logits of the last one, [1, V].
  Tensor step(Context& ctx, std::span<const int32_t> tokens);

  const model::Decoder& decoder_;
  KvCache cache_;
  std::vector<int32_t> cached_;
};

}  // namespace cadre::infer
