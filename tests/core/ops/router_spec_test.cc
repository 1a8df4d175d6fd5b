#include "core/ops/router_spec.h"

#include <doctest/doctest.h>

#include "core/base/error.h"
#include "core/ops/router_kinds.h"

namespace cadre::ops {
namespace {

TEST_CASE("router kinds: each is valid, and an unknown one is answered with the nearest") {
  for (const std::string& kind : router_kinds()) {
    CAPTURE(kind);
    validate(router_of_kind(kind, 16, 4), "test");
  }
  CHECK_THROWS_WITH_AS(router_of_kind("gshart", 16, 4), doctest::Contains("\"gshard\""), Error);
}

TEST_CASE("router specs: what is only trained with does not count in inference") {
  const RouterSpec plain = {.num_experts = 8, .top_k = 2, .renormalise = true};
  for (const char* kind : {"gshard", "deepspeed_top_2"}) {
    CAPTURE(kind);
    CHECK(inference_view(router_of_kind(kind, 8, 2)) == plain);
    CHECK_FALSE(router_of_kind(kind, 8, 2) == plain);
  }
  CHECK(inference_view(router_of_kind("switch", 8, 4)) == RouterSpec{.num_experts = 8, .top_k = 1});
  CHECK(inference_view(router_of_kind("noisy_top_k", 8, 2)) == plain);
  for (const char* kind : {"st_moe", "expert_choice", "attention", "deepseek_v3"}) {
    CAPTURE(kind);
    CHECK_FALSE(inference_view(router_of_kind(kind, 8, 2)) == plain);
  }
}

TEST_CASE("router specs: only where experts choose tokens a model cannot decode") {
  for (const std::string& kind : router_kinds()) {
    CHECK(can_decode(router_of_kind(kind, 8, 2)) == (kind != "expert_choice"));
  }
}

TEST_CASE("router specs: contradictions are refused") {
  const auto refused = [](RouterSpec spec) { CHECK_THROWS_AS(validate(spec, "test"), Error); };
  RouterSpec spec = router_of_kind("deepseek_v3", 16, 4);
  auto& groups = std::get<TokenChoice>(spec.choice).groups;
  groups = {.num_groups = 3};
  refused(spec);
  groups = {.num_groups = 8, .top_groups = 1};  // two experts for four choices
  refused(spec);
  spec = router_of_kind("top_k", 4, 5);
  refused(spec);
  spec = router_of_kind("expert_choice", 4, 2);
  spec.capacity.train_factor = 1.0;
  refused(spec);
  spec = router_of_kind("gshard", 4, 2);
  std::get<TokenChoice>(spec.choice).second_threshold = 0.0;
  refused(spec);
}

}  // namespace
}  // namespace cadre::ops
