// Requests of many kinds, and the text that each of their answers is when it is alone.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "infer/session.h"
#include "tests/model/machine.h"

namespace cadre {

inline std::vector<int32_t> random_tokens(RandomStream& random, int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(random.below(61)));
  return tokens;
}

// Prompts of 1 to 300 tokens, many of which begin as others do; some have three answers.
inline std::vector<infer::Request> random_requests(RandomStream& random, int count) {
  const std::vector<int32_t> common = random_tokens(random, 300);
  std::vector<infer::Request> requests;
  for (int i = 0; i < count; ++i) {
    infer::Request request;
    const uint64_t shared = random.below(4) == 0 ? 0 : random.below(280);
    request.prompt.assign(common.begin(), common.begin() + static_cast<std::ptrdiff_t>(shared));
    for (const int32_t token : random_tokens(random, 1 + static_cast<int64_t>(random.below(20)))) {
      request.prompt.push_back(token);
    }
    request.text.sampler.temperature = random.below(3) == 0 ? 0.0 : 1.0;
    request.text.sampler.seed = static_cast<int64_t>(random.below(1000));
    request.text.max_tokens = static_cast<int64_t>(random.below(30));
    request.text.stop_tokens = {static_cast<int32_t>(random.below(61))};
    request.num_answers = random.below(4) == 0 ? 3 : 1;
    request.priority = static_cast<int64_t>(random.below(3));
    requests.push_back(request);
  }
  return requests;
}

using Texts = std::map<std::pair<int64_t, int64_t>, std::vector<int32_t>>;  // [request, answer]

// Each answer as a request of its own, one after the other, nothing shared.
inline Texts one_by_one(Machine& machine, const model::Decoder& decoder,
                        const std::vector<infer::Request>& requests, infer::EngineOptions engine) {
  engine.max_sequences = 1;
  engine.share_prefixes = false;
  Texts texts;
  for (size_t r = 0; r < requests.size(); ++r) {
    for (int64_t answer = 0; answer < requests[r].num_answers; ++answer) {
      infer::GenerateOptions options;
      static_cast<infer::TextOptions&>(options) = requests[r].text;
      options.sampler.seed += answer;
      texts[{static_cast<int64_t>(r), answer}] =
          infer::Session(decoder, engine)
              .generate(machine.ctx, requests[r].prompt, options, {})
              .tokens;
    }
  }
  return texts;
}

}  // namespace cadre
