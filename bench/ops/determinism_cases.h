// What a training step does in a fixed order because its result must not depend on the number of
// threads, each beside the usual way of a library that does not promise it.
//
//   with     one owner for each piece of output, sums in an order that follows from shapes alone
//   without  tokens handed to whichever thread is free: products and norms add into a buffer of
//            each thread, scattered rows with atomic additions; rows divided evenly among threads
//
// Not here: products of experts, whose owner is the expert either way, and attention's backward
// pass, whose tasks are (document, key/value head) pairs. There the promise costs idle threads
// where there are fewer pairs than threads, and nothing otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/ops/context.h"

namespace cadre::ops {

struct DeterminismCase {
  std::string name;
  int64_t per_step;  // how often a training step does it
  std::function<Tensor()> with;
  std::function<Tensor()> without;  // the same values but for the order of sums, f32
};

// 4096 tokens, hidden size 512, 8 layers, 32 experts top-4 of width 256, vocabulary 8192, bf16 over
// f32 masters. The context must outlive the cases.
std::vector<DeterminismCase> determinism_cases(Context& ctx);

}  // namespace cadre::ops
