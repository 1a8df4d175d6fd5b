#include "core/ops/tape.h"

#include <cstring>
#include <utility>

#include "core/ops/context.h"

namespace cadre {

void Tape::watch(const Tensor& leaf, const Tensor& buffer, bool fresh) {
  CADRE_CHECK(leaf.shape() == buffer.shape());
  slots_[leaf.identity()] = {leaf, buffer, /*leaf=*/true, /*has_value=*/!fresh};
}

bool Tape::tracks(const TensorKey& x) const {
  return slots_.contains(x.identity()) || (parent_ != nullptr && parent_->tracks(x));
}

void Tape::record(const Tensor& y, Backward backward) {
  CADRE_CHECK(!slots_.contains(y.identity()));
  slots_[y.identity()] = {y, {}, false, false};
  records_.push_back({y, std::move(backward)});
}

Gradient Tape::gradient(Context& ctx, const TensorKey& x) {
  const auto found = slots_.find(x.identity());
  if (found == slots_.end()) {
    return parent_ != nullptr ? parent_->gradient(ctx, x) : Gradient{{}, false};
  }
  Slot& slot = found->second;
  if (!slot.value.defined()) slot.value = ctx.empty(x.shape(), x.dtype());
  return {slot.value.reshape(x.shape()), std::exchange(slot.has_value, true)};
}

void Tape::accumulate(Context& ctx, const TensorKey& x, const Tensor& value) {
  const Gradient to = gradient(ctx, x);
  if (!to.wanted()) return;
  CADRE_CHECK(value.elements() == to.value.elements());
  const int64_t bytes = 2 * dtype_size(to.value.dtype()) + dtype_size(value.dtype());
  if (to.accumulate) {
    const kernels::AddArgs args = {.a = to.value.raw(),
                                   .a_type = to.value.dtype(),
                                   .b = value.raw(),
                                   .b_type = value.dtype(),
                                   .y = to.value.raw(),
                                   .y_type = to.value.dtype(),
                                   .alpha = 1.0f,
                                   .beta = 1.0f};
    ctx.for_rows(value.elements(), bytes, [&](Range part) { ctx.kernels().add(args, part); });
  } else {
    const kernels::CastArgs args = {
        .x = value.raw(), .x_type = value.dtype(), .y = to.value.raw(), .y_type = to.value.dtype()};
    ctx.for_rows(value.elements(), bytes, [&](Range part) { ctx.kernels().cast(args, part); });
  }
}

void Tape::contribute(Context& ctx, const TensorKey& x, const Tensor& value) {
  const auto found = slots_.find(x.identity());
  if (found == slots_.end() || found->second.value.defined() || value.dtype() != x.dtype()) {
    accumulate(ctx, x, value);
    return;
  }
  found->second.value = value;
  found->second.has_value = true;
}

void Tape::backward(Context& ctx, const Tensor& y, const Tensor& dy) {
  CADRE_CHECK(dy.shape() == y.shape());
  const Context::TapeScope pause(ctx, nullptr);
  contribute(ctx, y, dy);
  while (!records_.empty()) {
    Record record = std::move(records_.back());
    records_.pop_back();
    const auto found = slots_.find(record.y.identity());
    const Tensor gradient = found->second.has_value ? found->second.value : Tensor{};
    slots_.erase(found);
    // What nobody used has no gradient, and neither do its inputs through it.
    if (gradient.defined()) record.backward(ctx, gradient.reshape(record.y.shape()));
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

Tensor Tape::gradient_of(const TensorKey& x) const {
  const auto found = slots_.find(x.identity());
  if (found == slots_.end() || !found->second.has_value) return {};
  return found->second.value.reshape(x.shape());
}

}  // namespace cadre
