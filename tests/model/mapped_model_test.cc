// Models that stay in their files.
#include <doctest/doctest.h>

#include <vector>

#include "tests/expect_error.h"
#include "tests/model/gguf_case.h"
#include "tests/model/machine.h"
#include "tests/model/stored_models.h"

namespace cadre {
namespace {

Tensor logits_of(Context& ctx, const model::LoadedModel& loaded) {
  const int64_t start = 0;
  const auto input = model::packed_input({3, 1, 4, 1, 5, 9, 2, 6}, {&start, 1});
  return loaded.decoder->logits(ctx, loaded.decoder->hidden(ctx, input, nullptr));
}

TEST_CASE("mapped model: matrices in several tensors of a file give the bits of whole ones") {
  Machine machine;
  Context& ctx = machine.ctx;
  int64_t in_parts = 0;
  for (const auto& place : stored_models()) {
    CAPTURE(place.string());
    const model::ModelSpec spec = model::read_spec(place);
    const auto whole = model::load_model(ctx, place, DType::f32);
    const auto mapped = model::load_model(ctx, place, model::LoadOptions{.compute = DType::f32});
    bool packed = false;
    for (int64_t p = 0; p < whole.parameters->size(); ++p) {
      const ops::Weight& a = whole.parameters->weight(p);
      const ops::Weight& b = mapped.parameters->weight(p);
      packed = packed || b.packed.defined();
      if (!b.parts) continue;
      ++in_parts;
      CHECK(a.count() == b.count());
      CHECK(a.rows() == b.rows());
      CHECK(a.bytes() == b.bytes());
      CHECK(a.matrix_bytes() == b.matrix_bytes());
      CHECK(contains(error_of(ErrorKind::internal, [&] { mapped.parameters->tensor(p); }),
                     "not in one piece of memory"));
    }
    if (!packed) CHECK(same_values(logits_of(ctx, whole), logits_of(ctx, mapped)));
  }
  CHECK(in_parts > 20);
}

}  // namespace
}  // namespace cadre
