#include "model/expert_slots.h"

#include <algorithm>

#include "core/base/error.h"

namespace cadre::model {

ExpertSlots::ExpertSlots(int64_t num_experts, int64_t num_slots)
    : slot_of_(static_cast<size_t>(num_experts), -1),
      expert_in_(static_cast<size_t>(num_slots), -1),
      use_(static_cast<size_t>(num_experts), 0.0) {
  CADRE_CHECK(1 <= num_slots && num_slots <= num_experts);
}

void ExpertSlots::count(std::span<const int64_t> rows) {
  CADRE_CHECK(rows.size() == use_.size());
  for (size_t e = 0; e < rows.size(); ++e) use_[e] = use_[e] * kAgeing + (rows[e] > 0 ? 1.0 : 0.0);
}

int64_t ExpertSlots::place(int64_t expert, std::span<const int64_t> kept) {
  CADRE_CHECK(slot_of(expert) < 0);
  int64_t best = -1;
  for (int64_t slot = 0; slot < num_slots(); ++slot) {
    const int64_t held = expert_in_[static_cast<size_t>(slot)];
    if (held < 0) {
      best = slot;
      break;
    }
    if (std::ranges::find(kept, held) != kept.end()) continue;
    if (best < 0 || use_of(held) < use_of(expert_in_[static_cast<size_t>(best)])) best = slot;
  }
  CADRE_CHECK(best >= 0);
  const int64_t gone = expert_in_[static_cast<size_t>(best)];
  if (gone >= 0) remove(gone);
  expert_in_[static_cast<size_t>(best)] = expert;
  slot_of_[static_cast<size_t>(expert)] = best;
  return best;
}

void ExpertSlots::remove(int64_t expert) {
  int64_t& slot = slot_of_[static_cast<size_t>(expert)];
  CADRE_CHECK(slot >= 0);
  expert_in_[static_cast<size_t>(slot)] = -1;
  slot = -1;
}

}  // namespace cadre::model
