// Importance from text: the model reads it, and every linear layer's inputs are added up.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "model/decoder.h"
#include "quant/importance.h"

namespace cadre::quant {

struct CalibrationOptions {
  int64_t context = 0;  // tokens of a window; 0 takes the model's context, at most 2048
};

// Windows of `context` tokens follow one another without overlap. Sums are in f64, each in the
// order of the tokens, so they do not depend on the number of threads; in the end they are rounded
// to f32, as files keep them. An embedding is not given inputs unless it is the head as well: rows
// that tokens pick have no columns that matter more. `progress` (may be empty) gets the tokens
// done. Where the weights lie does not matter, in memory, in mapped files or some experts at a time
// (model/expert_cache.h): the sums are the same. Throws Error(invalid_input) without tokens or for
// a context outside the model's, and Error(unsupported), naming the parameter, for weights that are
// held in few bits.
Importance calibrate(Context& ctx, const model::Decoder& decoder, std::span<const int32_t> tokens,
                     const CalibrationOptions& options,
                     const std::function<void(int64_t)>& progress);

}  // namespace cadre::quant
