// The families of tests/golden/make_families.py against transformers, and DeepSeekMoE against a
// model written from its paper.
#include <doctest/doctest.h>

#include "tests/model/family_golden.h"

namespace cadre {

TEST_CASE("families: logits and routing are those of the reference, with every kernel table") {
  for (const std::string& name : transformers_cases()) check_golden_logits(name);
}

TEST_CASE("families: losses and every gradient are those of the reference") {
  for (const std::string& name : transformers_cases()) check_golden_gradients(name);
}

TEST_CASE("families: import then export gives equal bytes and an equal spec") {
  for (const std::string& name : transformers_cases()) check_golden_round_trip(name);
}

}  // namespace cadre
