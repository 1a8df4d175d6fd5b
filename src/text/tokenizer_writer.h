// tokenizer.json of a newly trained byte-level BPE.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cadre::text {

struct TrainedBpe {
  std::vector<std::string> special_tokens;          // also the first of `tokens`
  std::vector<std::string> tokens;                  // written forms by id
  std::vector<std::pair<int32_t, int32_t>> merges;  // by ascending rank
};

// The text of the file, in the layout of the `tokenizers` library: no normaliser, ByteLevel before,
// after and in the decoder, special tokens not normalised.
std::string tokenizer_json(const TrainedBpe& trained);

}  // namespace cadre::text
