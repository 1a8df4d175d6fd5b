#include "core/ops/tape.h"

#include <cstring>
#include <utility>

#include "core/ops/context.h"

namespace cadre {

void Tape::watch(const Tensor& leaf, const Tensor& buffer, bool fresh) {
  CADRE_CHECK(leaf.shape() == buffer.shape());
  slots_[leaf.identity()] = {buffer, /*leaf=*/true, /*has_value=*/!fresh};
}

bool Tape::tracks(const Tensor& x) const { return slots_.contains(x.identity()); }

void Tape::record(const Tensor& y, Backward backward) {
  CADRE_CHECK(!slots_.contains(y.identity()));
  slots_[y.identity()] = {};
  records_.push_back({y, std::move(backward)});
}

Gradient Tape::gradient(Context& ctx, const Tensor& x) {
  const auto found = slots_.find(x.identity());
  if (found == slots_.end()) return {{}, false};
  Slot& slot = found->second;
  if (!slot.value.defined()) slot.value = ctx.empty_like(x);
  return {slot.value.reshape(x.shape()), std::exchange(slot.has_value, true)};
}

void Tape::backward(Context& ctx, const Tensor& y, const Tensor& dy) {
  Slot& seed = slots_.at(y.identity());
  CADRE_CHECK(!seed.has_value && dy.shape() == y.shape());
  seed.value = dy;
  seed.has_value = true;
  while (!records_.empty()) {
    const Record record = std::move(records_.back());
    records_.pop_back();
    const auto found = slots_.find(record.y.identity());
    const Slot slot = found->second;
    // What nobody used has no gradient, and neither do its inputs through it.
    if (slot.has_value) record.backward(ctx, slot.value.reshape(record.y.shape()));
    slots_.erase(record.y.identity());
  }
}

void Tape::finish_leaves(Context& ctx) {
  for (auto& [identity, slot] : slots_) {
    if (!slot.leaf || slot.has_value) continue;
    const Tensor& buffer = slot.value;
    ctx.for_rows(buffer.bytes(), 1, [&](Range bytes) {
      std::memset(static_cast<std::byte*>(buffer.raw()) + bytes.begin, 0,
                  static_cast<size_t>(bytes.size()));
    });
    slot.has_value = true;
  }
}

Tensor Tape::gradient_of(const Tensor& x) const {
  const auto found = slots_.find(x.identity());
  if (found == slots_.end() || !found->second.has_value) return {};
  return found->second.value.reshape(x.shape());
}

}  // namespace cadre
