#include "train/checkpoint/checkpoint_writer.h"

#include <chrono>
#include <cstring>
#include <utility>

#include "core/base/available_memory.h"
#include "core/base/thread_pool.h"

namespace cadre::train {
namespace {

// Memory that a snapshot must leave to the rest of the machine.
constexpr uint64_t kReserve = 256ull << 20;

}  // namespace

CheckpointWriter::CheckpointWriter(Context& ctx, const RunFolder& folder, const AdamW& optimizer,
                                   model::ModelSpec spec, CheckpointOptions options,
                                   KeepPolicy policy, int64_t reserved_bytes)
    : folder_(folder),
      optimizer_(optimizer),
      spec_(std::move(spec)),
      options_(std::move(options)),
      policy_(policy) {
  const auto needed = static_cast<uint64_t>(snapshot_bytes(optimizer) + reserved_bytes);
  if (available_memory_bytes() < needed + kReserve) return;
  snapshot_ = empty_tensors(ctx, optimizer);
  touched_ = std::async(std::launch::async, [tensors = snapshot_] {
    for (const auto* list : {&tensors.masters, &tensors.m, &tensors.v}) {
      for (const Tensor& tensor : *list) {
        std::memset(tensor.raw(), 0, static_cast<size_t>(tensor.bytes()));
      }
    }
  });
}

void CheckpointWriter::write(Context& ctx, const StateTensors& tensors,
                             const RunState& state) const {
  const CheckpointEntry entry{state.step, folder_.checkpoint_path(state.step)};
  write_checkpoint(ctx, entry.path, spec_, tensors, state, options_);
  folder_.set_latest(entry);
  folder_.prune(policy_);
}

CheckpointReport CheckpointWriter::save(Context& ctx, const RunState& state) {
  const auto begin = std::chrono::steady_clock::now();
  wait();
  CheckpointReport report;
  report.step = state.step;
  report.folder = folder_.checkpoint_path(state.step).string();
  report.in_background = !snapshot_.names.empty();
  if (report.in_background) {
    if (touched_.valid()) touched_.get();
    copy_tensors(ctx, live_tensors(optimizer_), snapshot_);
    pending_ = std::async(std::launch::async, [this, state, &table = ctx.kernels()] {
      ThreadPool pool(1);
      Context own(pool, table, Allocator::create());
      write(own, snapshot_, state);
    });
  } else {
    write(ctx, live_tensors(optimizer_), state);
  }
  report.blocked_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

void CheckpointWriter::check() {
  if (pending_.valid() && pending_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
    pending_.get();
  }
}

void CheckpointWriter::wait() {
  if (pending_.valid()) pending_.get();
}

}  // namespace cadre::train
