// The loss on text that training never sees, for each source on its own.
#pragma once

#include "core/ops/context.h"
#include "train/observer.h"
#include "train/pretrain/batch.h"
#include "train/pretrain/trainer.h"

namespace cadre::train {

// Reads all validation batches of the source. Bits per byte are the sum of losses in bits over the
// exact number of bytes that the targets stand for, so they compare across tokenizers and with
// compressors.
ValidationReport validate(Context& ctx, const Trainer& trainer, const BatchSource& data,
                          int64_t step);

}  // namespace cadre::train
