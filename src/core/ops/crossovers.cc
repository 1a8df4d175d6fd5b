#include "core/ops/crossovers.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <vector>

#include "core/ops/weight.h"

namespace cadre::ops {
namespace {

constexpr int64_t kK = 2048;

// Weights and activations whose values do not matter, for the time does not depend on them.
struct Operands {
  PackedMatrix weights;
  LinearInput input;
};

Operands make_operands(Context& ctx, int64_t rows, int64_t tokens) {
  Operands of;
  of.weights = empty_packed(ctx, PackedFormat::q8_0, 1, rows, kK);
  std::fill_n(of.weights.tile(0, 0), of.weights.bytes(), std::byte{0});
  const Weight weight = {.dense = {}, .packed = of.weights};
  of.input = linear_input(ctx, ctx.zeros({tokens, kK}, DType::f32), weight);
  return of;
}

template <typename Body>
double seconds(Body&& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The fewest tokens from which on tiles win, on one thread and weights that stay in its cache.
int64_t measure_tile_tokens(Context& ctx) {
  constexpr int64_t kRows = 256, kTiles = 17, kRounds = 9;
  const Operands of = make_operands(ctx, kRows, 16);
  const Tensor y = ctx.empty({16, kRows}, DType::f32);
  const Tensor scratch = ctx.empty({kernels::quantised_gemm_scratch(kK)}, DType::u8);
  const auto time = [&](int64_t tokens, int64_t from) {
    return seconds([&] {
      for (int i = 0; i < 20; ++i) {
        ctx.kernels().quantised_gemm({.x = quantised_rows(of.input, 0),
                                      .m = tokens,
                                      .k = kK,
                                      .format = of.weights.format,
                                      .tiles = of.weights.tile(0, 0),
                                      .n = kRows,
                                      .y = y.data<float>(),
                                      .y_stride = kRows,
                                      .scratch = static_cast<std::byte*>(scratch.raw()),
                                      .tile_tokens = from});
      }
    });
  };
  int64_t least = kTiles;
  for (int64_t tokens = 15; tokens >= 1; --tokens) {
    // Both in turns, so that a pause of the machine meets either; the best of each counts.
    std::array<double, 2> best = {1e9, 1e9};
    for (int64_t round = 0; round < kRounds; ++round) {
      best[0] = std::min(best[0], time(tokens, tokens));
      best[1] = std::min(best[1], time(tokens, kTiles));
    }
    if (best[0] > best[1]) break;
    least = tokens;
  }
  // 16 tokens fill a tile, for which it is there.
  return std::min<int64_t>(least, 16);
}

// The size of tasks that streams weights quickest to one token, more than caches hold of them.
int64_t measure_task_kib(Context& ctx) {
  constexpr int64_t kRows = 96 << 10, kRounds = 5;
  constexpr std::array<int64_t, 5> kSizes = {512, 128, 256, 1024, 2048};
  const Operands of = make_operands(ctx, kRows, 1);
  const Weight weight = {.dense = {}, .packed = of.weights};
  const Crossovers before = ctx.crossovers();
  std::array<double, kSizes.size()> best;
  best.fill(1e9);
  for (int64_t round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < kSizes.size(); ++i) {
      ctx.set_crossovers({.tile_tokens = before.tile_tokens, .task_kib = kSizes[i]});
      best[i] = std::min(best[i], seconds([&] { linear(ctx, of.input, weight, DType::f32); }));
    }
  }
  ctx.set_crossovers(before);
  // The default stands unless another is clearly better.
  size_t chosen = 0;
  for (size_t i = 1; i < kSizes.size(); ++i) {
    if (best[i] < 0.97 * best[0] && best[i] < best[chosen]) chosen = i;
  }
  return kSizes[chosen];
}

}  // namespace

Crossovers measure_crossovers(Context& ctx) {
  Crossovers found;
  if (std::string_view(ctx.kernels().name) == "amx") found.tile_tokens = measure_tile_tokens(ctx);
  found.task_kib = measure_task_kib(ctx);
  return found;
}

}  // namespace cadre::ops
