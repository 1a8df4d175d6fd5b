// The heart of a tokenizer: tokens of one word, however it chooses them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/merge_engine.h"

namespace cadre::text {

// Memory that calls reuse; one per thread.
struct ModelScratch {
  // The best way to the end of a stretch of the word, of which this is the last token.
  struct PathNode {
    double score;
    int32_t begin;  // of the last token; -1: nothing ends here
    int32_t id;
  };
  MergeScratch merge;
  std::vector<PathNode> path;
  std::vector<int32_t> tokens;
};

// Immutable, so threads may share it.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  // Appends the tokens of the word, valid UTF-8 of fewer than 2^31 bytes. They depend on nothing
  // but the word.
  virtual void encode(std::string_view word, ModelScratch& scratch,
                      std::vector<int32_t>& ids) const = 0;
};

}  // namespace cadre::text
