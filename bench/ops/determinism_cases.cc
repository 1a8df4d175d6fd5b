#include "bench/ops/determinism_cases.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

#include "core/base/random.h"
#include "core/ops/dispatch.h"
#include "core/ops/embedding.h"
#include "core/ops/gemm_tasks.h"
#include "core/ops/rms_norm.h"
#include "core/ops/swiglu.h"

namespace cadre::ops {
namespace {

constexpr int64_t kTokens = 4096, kHidden = 512, kExperts = 32, kTopK = 4, kWidth = 256;
constexpr int64_t kVocabulary = 8192, kLayers = 8;
// Tokens that a thread takes at once where the promise is not given.
constexpr int64_t kTokenBlock = 512;

Tensor random_tensor(Shape shape, DType dtype, uint64_t seed) {
  const Tensor x = Tensor::empty(shape, dtype);
  const RandomStream random(seed);
  for (int64_t i = 0; i < x.elements(); ++i) {
    const auto value = static_cast<float>(random.normal_at(static_cast<uint64_t>(i % 65536)));
    if (dtype == DType::bf16) {
      x.data<bf16>()[i] = to_bf16(value);
    } else {
      x.data<float>()[i] = value;
    }
  }
  return x;
}

std::byte* at(const Tensor& x, int64_t elements) {
  return static_cast<std::byte*>(x.raw()) + elements * dtype_size(x.dtype());
}

// Rows divided evenly among the threads, as many blocks as threads.
void for_shares(Context& ctx, int64_t rows, const std::function<void(Range)>& body) {
  const int64_t threads = ctx.pool().num_threads();
  ctx.for_blocks(rows, (rows + threads - 1) / threads, body);
}

void clear(Context& ctx, const Tensor& x) {
  for_shares(ctx, x.bytes(), [&](Range bytes) {
    std::memset(static_cast<std::byte*>(x.raw()) + bytes.begin, 0,
                static_cast<size_t>(bytes.size()));
  });
}

// A sum over tokens, of which each thread takes blocks as it is free, into a buffer of its own; at
// the end the buffers are added up.
class FreeSum {
 public:
  // Adds the terms of these tokens to `to`, or overwrites it.
  using Terms = std::function<void(Range tokens, float* to, bool accumulate, int worker)>;

  FreeSum(Context& ctx, Shape shape) : ctx_(ctx) {
    for (int worker = 0; worker < ctx.pool().num_threads(); ++worker) {
      buffers_.push_back(Tensor::empty(shape, DType::f32));
    }
  }

  Tensor run(const Terms& terms) {
    std::vector<uint8_t> used(buffers_.size(), 0);
    ctx_.pool().run(kTokens / kTokenBlock, [&](int64_t block, int worker) {
      const auto w = static_cast<size_t>(worker);
      terms({block * kTokenBlock, (block + 1) * kTokenBlock}, buffers_[w].data<float>(),
            used[w] != 0, worker);
      used[w] = 1;
    });
    const Tensor* sum = nullptr;
    for (size_t w = 0; w < buffers_.size(); ++w) {
      if (used[w] == 0) continue;
      if (sum != nullptr) add(*sum, buffers_[w]);
      if (sum == nullptr) sum = &buffers_[w];
    }
    return *sum;
  }

 private:
  void add(const Tensor& y, const Tensor& x) {
    for_shares(ctx_, y.elements(), [&](Range part) {
      const kernels::AddArgs args = {.a = y.raw(),
                                     .a_type = DType::f32,
                                     .b = x.raw(),
                                     .b_type = DType::f32,
                                     .y = y.raw(),
                                     .y_type = DType::f32,
                                     .alpha = 1.0f,
                                     .beta = 1.0f};
      ctx_.kernels().add(args, part);
    });
  }

  Context& ctx_;
  std::vector<Tensor> buffers_;
};

// dw = dy^T x of a linear layer, [out, hidden].
DeterminismCase weight_gradient(Context& ctx, std::string name, int64_t per_step, int64_t out,
                                DType type) {
  const Tensor dy = random_tensor({kTokens, out}, type, 1);
  const Tensor x = random_tensor({kTokens, kHidden}, type, 2);
  const Tensor dw = Tensor::empty({out, kHidden}, DType::f32);
  const kernels::GemmArgs product = {.m = out,
                                     .n = kHidden,
                                     .k = kTokens,
                                     .a = dy.raw(),
                                     .a_stride = out,
                                     .a_transposed = true,
                                     .b = x.raw(),
                                     .b_stride = kHidden,
                                     .type = type,
                                     .c = dw.raw(),
                                     .c_stride = kHidden};
  auto sum = std::make_shared<FreeSum>(ctx, dw.shape());
  auto scratch = std::make_shared<std::vector<Tensor>>();
  for (int i = 0; i < ctx.pool().num_threads(); ++i) {
    scratch->push_back(Tensor::empty({kernels::kGemmScratchBytes}, DType::u8));
  }
  const auto terms = [=, &ctx](Range tokens, float* to, bool accumulate, int worker) {
    kernels::GemmArgs part = product;
    part.k = tokens.size();
    part.a = at(dy, tokens.begin * out);
    part.b = at(x, tokens.begin * kHidden);
    part.c = to;
    part.accumulate = accumulate;
    part.scratch = at((*scratch)[static_cast<size_t>(worker)], 0);
    ctx.kernels().gemm(part);
  };
  const auto with = [=, &ctx] {
    run_gemms(ctx, {&product, 1});
    return dw;
  };
  return {std::move(name), per_step, with, [=] { return sum->run(terms); }};
}

DeterminismCase norm_gradient(Context& ctx) {
  const Tensor x = random_tensor({kTokens, kHidden}, DType::bf16, 3);
  const Tensor dy = random_tensor({kTokens, kHidden}, DType::bf16, 4);
  const Tensor inverse_rms = random_tensor({kTokens}, DType::f32, 5);
  const Tensor dw = Tensor::empty({kHidden}, DType::f32);
  const auto args = [=](Range tokens, float* to, bool accumulate) {
    return kernels::RmsNormBackwardArgs{.dy = at(dy, tokens.begin * kHidden),
                                        .y_type = DType::bf16,
                                        .x = at(x, tokens.begin * kHidden),
                                        .x_type = DType::bf16,
                                        .weight = nullptr,
                                        .inverse_rms = inverse_rms.data<float>() + tokens.begin,
                                        .dx = nullptr,
                                        .accumulate = false,
                                        .dweight = to,
                                        .accumulate_weight = accumulate,
                                        .num_rows = tokens.size(),
                                        .hidden_size = kHidden};
  };
  auto sum = std::make_shared<FreeSum>(ctx, dw.shape());
  const auto terms = [=, &ctx](Range tokens, float* to, bool accumulate, int) {
    ctx.kernels().rms_norm_backward_weight(args(tokens, to, accumulate), {0, kHidden});
  };
  const auto with = [=, &ctx] {
    ctx.for_blocks(kHidden, 64, [&](Range columns) {  // as in core/ops/rms_norm.cc
      ctx.kernels().rms_norm_backward_weight(args({0, kTokens}, dw.data<float>(), false), columns);
    });
    return dw;
  };
  return {"gradient of a norm's weight", 4 * kLayers + 1, with, [=] { return sum->run(terms); }};
}

// Adds weight * x to y, of which other threads may have hold.
template <class T>
void add_atomically(float* y, const T* x, float weight) {
  for (int64_t i = 0; i < kHidden; ++i) {
    std::atomic_ref<float>(y[i]).fetch_add(weight * to_f32(x[i]), std::memory_order_relaxed);
  }
}

DeterminismCase embedding_gradient(Context& ctx) {
  std::vector<int32_t> tokens;
  RandomStream random(6);
  for (int64_t n = 0; n < kTokens; ++n) {  // some are frequent, as in text
    const float u = random.uniform();
    tokens.push_back(static_cast<int32_t>(u * u * u * static_cast<float>(kVocabulary - 1)));
  }
  const Tensor weight = random_tensor({kVocabulary, kHidden}, DType::bf16, 7);
  const Tensor dy = random_tensor({kTokens, kHidden}, DType::f32, 8);
  const Tensor dw = Tensor::empty(weight.shape(), DType::f32);
  const Tensor free_dw = Tensor::empty(weight.shape(), DType::f32);
  const auto with = [=, &ctx] {
    Tape tape;
    tape.watch(weight, dw, /*fresh=*/true);
    const Context::TapeScope scope(ctx, &tape);
    const Tensor y = embedding(ctx, weight, tokens, DType::f32);
    tape.backward(ctx, y, dy);
    return dw;
  };
  const auto without = [=, &ctx] {
    embedding(ctx, weight, tokens, DType::f32);
    clear(ctx, free_dw);
    ctx.for_blocks(kTokens, 64, [&](Range rows) {
      for (int64_t n = rows.begin; n < rows.end; ++n) {
        add_atomically(free_dw.data<float>() + tokens[static_cast<size_t>(n)] * kHidden,
                       dy.data<float>() + n * kHidden, 1.0f);
      }
    });
    return free_dw;
  };
  return {"embedding, forward and gradient", 1, with, without};
}

// Distinct experts for each token.
Tensor some_experts() {
  const Tensor experts = Tensor::empty({kTokens, kTopK}, DType::i32);
  RandomStream random(9);
  for (int64_t i = 0; i < experts.elements(); ++i) {
    const auto draw = static_cast<int64_t>(random.below(kExperts / kTopK));
    experts.data<int32_t>()[i] = static_cast<int32_t>(draw * kTopK + i % kTopK);
  }
  return experts;
}

// The weighted sum of the experts' rows of each token.
DeterminismCase combination(Context& ctx) {
  const DispatchPlanPtr plan = plan_dispatch(ctx, some_experts(), kExperts);
  const Tensor rows = random_tensor({kTokens * kTopK, kHidden}, DType::bf16, 10);
  const Tensor weights = random_tensor({kTokens, kTopK}, DType::f32, 11);
  std::vector<float> row_weights(plan->source.size());
  for (size_t i = 0; i < plan->slot.size(); ++i) {
    row_weights[static_cast<size_t>(plan->slot[i])] = weights.data<float>()[i];
  }
  const Tensor free_y = Tensor::empty({kTokens, kHidden}, DType::f32);
  const auto with = [=, &ctx] { return combine(ctx, rows, weights, plan, DType::f32); };
  const auto without = [=, &ctx] {
    clear(ctx, free_y);
    ctx.for_blocks(rows.dim(0), 64, [&](Range range) {
      for (int64_t i = range.begin; i < range.end; ++i) {
        add_atomically(free_y.data<float>() + plan->source[static_cast<size_t>(i)] * kHidden,
                       rows.data<bf16>() + i * kHidden, row_weights[static_cast<size_t>(i)]);
      }
    });
    return free_y;
  };
  return {"combine, and permute's gradient", 2 * kLayers, with, without};
}

DeterminismCase norm_rows(Context& ctx) {
  const Tensor x = random_tensor({kTokens, kHidden}, DType::f32, 12);
  const Tensor weight = random_tensor({kHidden}, DType::f32, 13);
  const auto with = [=, &ctx] { return rms_norm(ctx, x, weight, 1e-5f, DType::f32); };
  const auto without = [=, &ctx] {
    const Tensor y = ctx.empty_like(x);
    const kernels::RmsNormArgs args = {.x = x.raw(),
                                       .x_type = DType::f32,
                                       .weight = weight.data<float>(),
                                       .y = y.raw(),
                                       .y_type = DType::f32,
                                       .inverse_rms = nullptr,
                                       .hidden_size = kHidden,
                                       .eps = 1e-5f};
    for_shares(ctx, kTokens, [&](Range part) { ctx.kernels().rms_norm(args, part); });
    return y;
  };
  return {"rows of rms_norm", 4 * kLayers + 1, with, without};
}

DeterminismCase activation_rows(Context& ctx) {
  const Tensor x = random_tensor({kTokens * kTopK, 2 * kWidth}, DType::f32, 14);
  const auto with = [=, &ctx] { return swiglu(ctx, x); };
  const auto without = [=, &ctx] {
    const Tensor y = ctx.empty({x.dim(0), kWidth}, DType::f32);
    const kernels::SwigluArgs args = {.x = x.raw(),
                                      .y = y.raw(),
                                      .dy = nullptr,
                                      .dx = nullptr,
                                      .type = DType::f32,
                                      .width = kWidth};
    for_shares(ctx, x.dim(0), [&](Range part) { ctx.kernels().swiglu(args, part); });
    return y;
  };
  return {"rows of swiglu", kLayers, with, without};
}

}  // namespace

std::vector<DeterminismCase> determinism_cases(Context& ctx) {
  constexpr DType kBf16 = DType::bf16;
  return {
      weight_gradient(ctx, "gradient of 512 x 512, attention", 4 * kLayers, kHidden, kBf16),
      weight_gradient(ctx, "gradient of 32 x 512, router in f32", kLayers, kExperts, DType::f32),
      weight_gradient(ctx, "gradient of 8192 x 512, head", 1, kVocabulary, kBf16),
      norm_gradient(ctx),
      embedding_gradient(ctx),
      combination(ctx),
      norm_rows(ctx),
      activation_rows(ctx)};
}

}  // namespace cadre::ops
