// Published routers by name. docs/routers.md explains each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/ops/router_spec.h"

namespace cadre::ops {

// top_k            softmax, the top_k, no capacity: OLMoE (arXiv:2409.02060); the default
// noisy_top_k      Shazeer et al., arXiv:1701.06538
// gshard           Lepikhin et al., arXiv:2006.16668; top 2
// switch           Fedus et al., arXiv:2101.03961; top 1
// deepspeed_top_1  Rajbhandari et al., arXiv:2201.05596, and DeepSpeed's code
// deepspeed_top_2  the same for two experts
// st_moe           Zoph et al., arXiv:2202.08906; top 2
// megablocks       dropped variant of Gale et al., arXiv:2211.15841
// expert_choice    Zhou et al., arXiv:2202.09368
// attention        Yuan 2.0-M32, arXiv:2405.17976
// deepseek_v3      sigmoid scores and a selection bias, arXiv:2412.19437 and arXiv:2408.15664
std::vector<std::string> router_kinds();

// The router of that name; `top_k` counts where the paper leaves it open. Throws
// Error(invalid_input) with the nearest name.
RouterSpec router_of_kind(std::string_view kind, int64_t num_experts, int64_t top_k);

}  // namespace cadre::ops
