// One text at a time, read and continued again and again, as a conversation is: what the next
// prompt has in common with earlier ones and their continuations is not computed again.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "infer/engine.h"
#include "infer/generator.h"

namespace cadre::infer {

// An engine for one. Belongs to one thread; decoders must outlive it.
class Session {
 public:
  // Throws as Engine does.
  explicit Session(const model::Decoder& decoder, const EngineOptions& options = {},
                   const model::Decoder* draft = nullptr);

  // As generate(), whose text it gives whatever was cached before. A session can be used after an
  // error.
  GenerateResult generate(Context& ctx, std::span<const int32_t> prompt,
                          const GenerateOptions& options,
                          const std::function<bool(int32_t)>& on_token);

  // Of the last prompt and its continuation the tokens whose keys were computed.
  const std::vector<int32_t>& cached() const { return cached_; }
  int64_t max_length() const { return engine_.max_length(); }
  EngineStatistics statistics() const { return engine_.statistics(); }

 private:
  Engine engine_;
  std::vector<int32_t> cached_;
};

}  // namespace cadre::infer
