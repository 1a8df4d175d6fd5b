#include "core/ops/roofline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <vector>

namespace cadre::ops {
namespace {

constexpr int64_t kBufferBytes = 256 << 20;

double seconds_of(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Units a second of all threads together: the sum of what each did over the time of the slowest.
double best_rate(Context& ctx, int repeats, const std::function<double(int worker)>& body) {
  const int threads = ctx.pool().num_threads();
  double best = 0.0;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    std::vector<double> done(static_cast<size_t>(threads));
    // A task waits until all have been handed out, so that each thread runs exactly one.
    std::atomic<int> started{0};
    const double seconds = seconds_of([&] {
      ctx.pool().run(threads, [&](int64_t task, int) {
        ++started;
        while (started.load() < threads) __builtin_ia32_pause();
        done[static_cast<size_t>(task)] = body(static_cast<int>(task));
      });
    });
    double total = 0.0;
    for (const double units : done) total += units;
    best = std::max(best, total / seconds);
  }
  return best;
}

}  // namespace

double measure_peak_flops(Context& ctx, DType dtype, int repeats) {
  const kernels::KernelTable& table = ctx.kernels();
  kernels::PeakFlopsFn* const peak = dtype == DType::bf16 ? table.peak_bf16
                                     : dtype == DType::i8 ? table.peak_i8
                                                          : table.peak_f32;
  // First find how much keeps one thread busy for about 20 ms.
  int64_t flops = 1 << 20;
  while (flops < (int64_t{1} << 40) && seconds_of([&] { peak(flops); }) < 0.02) flops *= 2;
  return best_rate(ctx, repeats, [&](int) { return static_cast<double>(peak(flops)); });
}

Roofline measure_roofline(Context& ctx) {
  Roofline roofline;
  roofline.f32_flops = measure_peak_flops(ctx, DType::f32, 5);
  roofline.bf16_flops = measure_peak_flops(ctx, DType::bf16, 5);
  roofline.i8_ops = measure_peak_flops(ctx, DType::i8, 5);
  const kernels::KernelTable& table = ctx.kernels();
  std::vector<Tensor> buffers;
  for (int worker = 0; worker < ctx.pool().num_threads(); ++worker) {
    buffers.push_back(ctx.zeros({kBufferBytes}, DType::u8));
  }
  const auto memory = [&](int worker) {
    return static_cast<std::byte*>(buffers[static_cast<size_t>(worker)].raw());
  };
  constexpr auto kBytes = static_cast<double>(kBufferBytes);
  std::atomic<uint64_t> sink{0};
  roofline.read_bytes = best_rate(ctx, 3, [&](int worker) {
    sink += table.read_memory(memory(worker), kBufferBytes);
    return kBytes;
  });
  roofline.write_bytes = best_rate(ctx, 3, [&](int worker) {
    table.write_memory(memory(worker), kBufferBytes);
    return kBytes;
  });
  roofline.copy_bytes = best_rate(ctx, 3, [&](int worker) {
    table.copy_memory(memory(worker), memory(worker) + kBufferBytes / 2, kBufferBytes / 2);
    return kBytes;
  });
  return roofline;
}

}  // namespace cadre::ops
