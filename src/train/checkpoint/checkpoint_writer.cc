#include "train/checkpoint/checkpoint_writer.h"

#include <chrono>
#include <utility>

#include "core/base/file.h"
#include "core/base/thread_pool.h"

namespace cadre::train {
namespace {

// Memory that a snapshot must leave to the rest of the machine.
constexpr uint64_t kReserve = 256ull << 20;

}  // namespace

CheckpointWriter::CheckpointWriter(const RunFolder& folder, model::ModelSpec spec,
                                   CheckpointOptions options, KeepPolicy policy)
    : folder_(folder), spec_(std::move(spec)), options_(std::move(options)), policy_(policy) {}

void CheckpointWriter::write(Context& ctx, const StateTensors& tensors,
                             const RunState& state) const {
  const CheckpointEntry entry{state.step, folder_.checkpoint_path(state.step)};
  write_checkpoint(ctx, entry.path, spec_, tensors, state, options_);
  folder_.set_latest(entry);
  folder_.prune(policy_);
}

CheckpointReport CheckpointWriter::save(Context& ctx, const AdamW& optimizer,
                                        const RunState& state) {
  const auto begin = std::chrono::steady_clock::now();
  wait();
  CheckpointReport report;
  report.step = state.step;
  report.folder = folder_.checkpoint_path(state.step).string();
  // The allocator keeps the blocks of a snapshot, so there is memory for the next one too.
  has_memory_ = has_memory_ || available_memory_bytes() >=
                                   static_cast<uint64_t>(snapshot_bytes(optimizer)) + kReserve;
  report.in_background = has_memory_;
  if (report.in_background) {
    pending_ = std::async(std::launch::async, [this, state, &table = ctx.kernels(),
                                               tensors = copy_tensors(ctx, optimizer)] {
      ThreadPool pool(1);
      Context own(pool, table, Allocator::create());
      write(own, tensors, state);
    });
  } else {
    write(ctx, live_tensors(optimizer), state);
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
