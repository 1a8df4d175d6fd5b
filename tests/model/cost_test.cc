#include "model/cost.h"

#include <doctest/doctest.h>

#include "tests/model/tiny_model.h"

namespace cadre {
TEST_CASE("cost: attention counts the keys that a query sees") {
  model::ModelSpec spec = tiny_spec();
  // Position t sees t + 1 keys: the mean over 4 positions is 2.5.
  CHECK(model::attention_flops_per_token(spec, 4) == doctest::Approx(2 * 4.0 * 32 * 2.5));
  for (model::BlockSpec& block : spec.blocks) block.attention.window = 2;
  CHECK(model::attention_flops_per_token(spec, 4) == doctest::Approx(2 * 4.0 * 32 * 1.75));
}

TEST_CASE("cost: with all experts active nothing is left over") {
  const model::ModelCost cost = model::cost(tiny_spec(3, 3));
  CHECK(cost.total_parameters == cost.active_parameters);
}

}  // namespace cadre
