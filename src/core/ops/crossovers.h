// From which size on one way of computing is quicker than another. The ways give the same bits, so
// these are measured on each machine (`cadre bench --tune`) and may be anything.
#pragma once

#include <cstdint>

#include "core/base/fields.h"

namespace cadre {

class Context;

struct Crossovers {
  int64_t tile_tokens = 11;
  int64_t task_kib = 1024;

  void visit_fields(auto&& field) {
    field("tile_tokens", tile_tokens, Interval{1, 16},
          "tokens from which weights in few bits meet a matrix tile that 16 would fill");
    field("task_kib", task_kib, Interval{16, 65536},
          "weights in KiB that a thread takes at a time while tokens are few");
  }
};

namespace ops {

// Measures them with the context's kernels and threads; takes a second or two. Fields that the
// kernels do not ask for keep their defaults. The context's own are left as they are.
Crossovers measure_crossovers(Context& ctx);

}  // namespace ops
}  // namespace cadre
