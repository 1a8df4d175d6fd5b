#include "tests/core/ops/op_cases.h"

#include <cmath>

#include "core/ops/attention.h"
#include "core/ops/attention_router.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/dispatch.h"
#include "core/ops/elementwise.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/local_filter.h"
#include "core/ops/recompute.h"
#include "core/ops/rms_norm.h"
#include "core/ops/rope.h"
#include "core/ops/routing.h"
#include "core/ops/rows.h"
#include "core/ops/softmax.h"
#include "core/ops/swiglu.h"

namespace cadre::ops {
namespace {

struct Sizes {
  int64_t tokens;
  int64_t width;
  int64_t heads;
  int64_t kv_heads;
  int64_t head_dim;
  int64_t experts;
  int64_t vocab;
};

using Inputs = std::vector<Tensor>;

OpCase::Input input(Shape shape, DType type, uint64_t seed, double scale = 1.0) {
  return {random_tensor(shape, type, seed, scale), false};
}
OpCase::Input parameter(Shape shape, DType type, uint64_t seed, double scale = 1.0) {
  return {random_tensor(shape, type, seed, scale), true};
}

// Random numbers that stay on their side of +limit and -limit in the steps of a gradient check.
Tensor away_from(Shape shape, DType type, uint64_t seed, float limit) {
  Tensor x = random_tensor(shape, DType::f32, seed);
  Tensor moved = Tensor::empty(shape, type);
  for (int64_t i = 0; i < x.elements(); ++i) {
    float value = x.data<float>()[i];
    if (std::fabs(std::fabs(value) - limit) < 0.1f) value *= 2.0f;
    if (type == DType::f32) {
      moved.data<float>()[i] = value;
    } else {
      moved.data<bf16>()[i] = to_bf16(value);
    }
  }
  return moved;
}

std::vector<int32_t> some_tokens(int64_t count, int64_t bound) {
  RandomStream random(5);
  std::vector<int32_t> tokens;
  for (int64_t n = 0; n < count; ++n) {
    tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(bound))));
  }
  return tokens;
}

// Two documents and a gap between them.
AttentionSegments two_segments(int64_t tokens) {
  const int64_t first = tokens / 3;
  return std::make_shared<const std::vector<AttentionSegment>>(std::vector<AttentionSegment>{
      {0, first, 0, first}, {first + 1, tokens - first - 1, first + 1, tokens - first - 1}});
}

// Choices of experts that leave expert 1 without tokens.
DispatchPlanPtr some_plan(Context& ctx, int64_t tokens, int64_t experts) {
  Tensor chosen = Tensor::empty({tokens, 2}, DType::i32);
  const std::vector<int32_t> draws = some_tokens(tokens, experts);
  for (int64_t n = 0; n < tokens; ++n) {
    const int32_t draw = draws[static_cast<size_t>(n)];
    const auto next = static_cast<int32_t>((draw + 2) % experts);
    chosen.data<int32_t>()[2 * n] = draw == 1 ? 0 : draw;
    chosen.data<int32_t>()[2 * n + 1] = next == 1 ? 2 : next;
  }
  return plan_dispatch(ctx, chosen, experts);
}

void add_plain_cases(const Sizes& s, DType type, std::vector<OpCase>* cases) {
  cases->push_back(
      {"add",
       {input({s.tokens, s.width}, DType::f32, 1), input({s.tokens, s.width}, type, 2)},
       [](Context& ctx, const Inputs& x) { return add(ctx, x[0], x[1]); }});
  cases->push_back({"add to itself",
                    {input({s.tokens, s.width}, type, 1)},
                    [](Context& ctx, const Inputs& x) { return add(ctx, x[0], x[0]); }});
  cases->push_back({"cast",
                    {input({s.tokens, s.width}, type, 3)},
                    [](Context& ctx, const Inputs& x) { return cast(ctx, x[0], DType::f32); }});
  cases->push_back({"dropout",
                    {input({s.tokens, s.width}, type, 4)},
                    [](Context& ctx, const Inputs& x) { return dropout(ctx, x[0], 0.3f, 9, 2); }});
  cases->push_back(
      {"embedding", {parameter({s.vocab, s.width}, type, 5)}, [s](Context& ctx, const Inputs& x) {
         return embedding(ctx, x[0], some_tokens(s.tokens, s.vocab), DType::f32);
       }});
  cases->push_back(
      {"rms_norm of the residual stream",
       {input({s.tokens, s.width}, DType::f32, 6, 2.0), parameter({s.width}, DType::f32, 7)},
       [type](Context& ctx, const Inputs& x) { return rms_norm(ctx, x[0], x[1], 1e-5f, type); }});
  cases->push_back(
      {"rms_norm of queries",
       {input({s.tokens, 3, s.width}, type, 8), parameter({s.width}, DType::f32, 9)},
       [type](Context& ctx, const Inputs& x) { return rms_norm(ctx, x[0], x[1], 1e-5f, type); }});
  // Logits are f32 in every type of model.
  cases->push_back({"softmax",
                    {input({s.tokens, 3, s.experts}, DType::f32, 33, 2.0)},
                    [](Context& ctx, const Inputs& x) { return softmax(ctx, x[0]); }});
  cases->push_back(
      {"softmax of a long row",
       {input({s.tokens, s.vocab}, type, 34)},
       [](Context& ctx, const Inputs& x) { return softmax(ctx, cast(ctx, x[0], DType::f32)); }});
  cases->push_back(
      {"add_bias",
       {input({s.tokens, s.width}, DType::f32, 33), parameter({s.width}, DType::f32, 34)},
       [type](Context& ctx, const Inputs& x) { return add_bias(ctx, x[0], x[1], type); }});
  cases->push_back(
      {"layer_norm",
       {input({s.tokens, s.width}, DType::f32, 35, 2.0)},
       [type](Context& ctx, const Inputs& x) { return layer_norm(ctx, x[0], 1e-5f, type); }});
  cases->push_back(
      {"sigmoid_gate",
       {input({s.tokens, s.width}, type, 36), input({s.tokens, 1}, DType::f32, 37, 2.0)},
       [](Context& ctx, const Inputs& x) { return sigmoid_gate(ctx, x[0], x[1]); }});
  cases->push_back({"clamp",
                    {{away_from({s.tokens, s.width}, type, 38, 0.7f), false}},
                    [](Context& ctx, const Inputs& x) { return clamp(ctx, x[0], 0.7f); }});
  cases->push_back({"swiglu",
                    {input({s.tokens, 2 * s.width}, type, 10)},
                    [](Context& ctx, const Inputs& x) { return swiglu(ctx, x[0]); }});
  cases->push_back({"rope",
                    {input({s.tokens, s.heads * s.head_dim}, type, 11)},
                    [s](Context& ctx, const Inputs& x) {
                      auto table = std::make_shared<const RopeTable>(64, s.head_dim - 2, 1e4);
                      auto positions =
                          std::make_shared<const std::vector<int32_t>>(some_tokens(s.tokens, 64));
                      return rope(ctx, x[0], s.heads, positions, table);
                    }});
}

void add_product_cases(const Sizes& s, DType type, std::vector<OpCase>* cases) {
  const double scale = 0.3;
  cases->push_back(
      {"linear",
       {input({s.tokens, s.width}, type, 12), parameter({s.width + 5, s.width}, type, 13, scale)},
       [type](Context& ctx, const Inputs& x) { return linear(ctx, x[0], x[1], type); }});
  cases->push_back(
      {"linear to f32",
       {input({s.tokens, s.width}, type, 14), parameter({7, s.width}, type, 15, scale)},
       [](Context& ctx, const Inputs& x) { return linear(ctx, x[0], x[1], DType::f32); }});
  cases->push_back(
      {"two linears of one input",
       {input({s.tokens, s.width}, type, 16), parameter({s.width, s.width}, type, 17, scale),
        parameter({s.width, s.width}, type, 18, scale)},
       [type](Context& ctx, const Inputs& x) {
         return add(ctx, linear(ctx, x[0], x[1], type), linear(ctx, x[0], x[2], type));
       }});
  cases->push_back({"grouped_linear",
                    {input({2 * s.tokens, s.width}, type, 19),
                     parameter({s.experts, s.width + 3, s.width}, type, 20, scale)},
                    [s](Context& ctx, const Inputs& x) {
                      const DispatchPlanPtr plan = some_plan(ctx, s.tokens, s.experts);
                      return grouped_linear(ctx, x[0], x[1], plan->offsets);
                    }});
  cases->push_back(
      {"permute", {input({s.tokens, s.width}, type, 21)}, [s](Context& ctx, const Inputs& x) {
         return permute(ctx, x[0], some_plan(ctx, s.tokens, s.experts));
       }});
  cases->push_back(
      {"combine",
       {input({2 * s.tokens, s.width}, type, 22), input({s.tokens, 2}, DType::f32, 23)},
       [s, type](Context& ctx, const Inputs& x) {
         return combine(ctx, x[0], x[1], some_plan(ctx, s.tokens, s.experts), type);
       }});
  std::vector<int32_t> targets = some_tokens(s.tokens, s.vocab);
  targets[2] = -1;
  std::vector<float> weights(targets.size(), 0.25f);
  weights[3] = 1.5f;
  cases->push_back(
      {"linear_cross_entropy",
       {input({s.tokens, s.width}, type, 24), parameter({s.vocab, s.width}, type, 25, scale)},
       [=](Context& ctx, const Inputs& x) {
         return linear_cross_entropy(ctx, x[0], x[1], targets, weights).loss;
       }});
}

void add_attention_cases(const Sizes& s, DType type, std::vector<OpCase>* cases) {
  for (const int64_t window : {int64_t{0}, s.tokens / 4}) {
    cases->push_back(
        {window == 0 ? "attention" : "attention with a window",
         {input({s.tokens, s.heads * s.head_dim}, type, 26),
          input({s.tokens, s.kv_heads * s.head_dim}, type, 27),
          input({s.tokens, s.kv_heads * s.head_dim}, type, 28)},
         [s, window](Context& ctx, const Inputs& x) {
           return attention(
               ctx, x[0], x[1], x[2], two_segments(s.tokens),
               {.num_heads = s.heads, .num_kv_heads = s.kv_heads, .scale = 0.4f, .window = window});
         }});
  }
}

// Over one sequence and over several, one of them a single token.
void add_filter_cases(const Sizes& s, DType type, std::vector<OpCase>* cases) {
  const int64_t inner = s.width / 2 + 1;
  const int64_t third = s.tokens / 3;
  for (const bool several : {false, true}) {
    const std::vector<int64_t> ends = several ? std::vector<int64_t>{third, s.tokens - 1, s.tokens}
                                              : std::vector<int64_t>{s.tokens};
    auto segments = std::make_shared<std::vector<AttentionSegment>>();
    int64_t begin = 0;
    for (const int64_t end : ends) {
      segments->push_back({begin, end - begin, begin, end - begin});
      begin = end;
    }
    cases->push_back(
        {several ? "local_filter over sequences" : "local_filter",
         {input({s.tokens, s.width}, type, 33), parameter({inner, 2 * s.width}, type, 34, 0.3),
          parameter({inner}, DType::f32, 35), parameter({s.width, 2 * inner}, type, 36, 0.3),
          parameter({s.width}, DType::f32, 37)},
         [segments](Context& ctx, const Inputs& x) {
           return local_filter(ctx, x[0], {x[1], x[2], x[3], x[4]}, segments);
         }});
  }
}

// Logits that are far enough apart for the choice of experts to survive the steps of a gradient
// check.
Tensor distinct_logits(int64_t tokens, int64_t experts) {
  Tensor logits = random_tensor({tokens, experts}, DType::f32, 29, 0.05);
  for (int64_t n = 0; n < tokens; ++n) {
    for (int64_t e = 0; e < experts; ++e) {
      logits.data<float>()[n * experts + e] += 0.5f * static_cast<float>((e + n) % experts);
    }
  }
  return logits;
}

void add_routing_cases(const Sizes& s, std::vector<OpCase>* cases) {
  cases->push_back({"attention_router",
                    {input({s.tokens, 3 * s.experts}, DType::f32, 38)},
                    [](Context& ctx, const Inputs& x) { return attention_router(ctx, x[0]); }});
  for (const bool renormalise : {false, true}) {
    cases->push_back({renormalise ? "softmax_top_k, renormalised" : "softmax_top_k",
                      {{distinct_logits(s.tokens, s.experts), false}},
                      [renormalise](Context& ctx, const Inputs& x) {
                        return softmax_top_k(ctx, x[0], {.top_k = 3, .renormalise = renormalise},
                                             nullptr, nullptr)
                            .weights;
                      }});
  }
}

// A whole mixture layer, plain and run again on the way back.
Tensor mixture(Context& ctx, const Tensor& x, const Tensor& logits, const Tensor& gate_up,
               const Tensor& down) {
  const Routing routing = softmax_top_k(ctx, logits, {.top_k = 2}, nullptr, nullptr);
  const DispatchPlanPtr plan = plan_dispatch(ctx, routing.experts, gate_up.dim(0));
  Tensor rows = grouped_linear(ctx, permute(ctx, x, plan), gate_up, plan->offsets);
  rows = grouped_linear(ctx, swiglu(ctx, rows), down, plan->offsets);
  return combine(ctx, rows, routing.weights, plan, x.dtype());
}

void add_layer_cases(const Sizes& s, DType type, std::vector<OpCase>* cases) {
  const int64_t inner = s.width / 2;
  const std::vector<OpCase::Input> inputs = {
      input({s.tokens, s.width}, type, 30),
      {distinct_logits(s.tokens, s.experts), false},
      parameter({s.experts, 2 * inner, s.width}, type, 31, 0.3),
      parameter({s.experts, s.width, inner}, type, 32, 0.3)};
  cases->push_back({"a mixture layer", inputs, [](Context& ctx, const Inputs& x) {
                      return add(ctx, x[0], mixture(ctx, x[0], x[1], x[2], x[3]));
                    }});
  cases->push_back({"a recomputed mixture layer", inputs, [](Context& ctx, const Inputs& x) {
                      return recompute(ctx, x[0], [x](Context& c, const Tensor& start) {
                        return add(c, start, mixture(c, start, x[1], x[2], x[3]));
                      });
                    }});
}

}  // namespace

std::vector<OpCase> op_cases(DType type, CaseSize size) {
  constexpr Sizes kSizes[] = {
      {17, 12, 4, 2, 6, 5, 11}, {301, 40, 4, 2, 20, 6, 70}, {433, 96, 8, 2, 40, 6, 200}};
  const Sizes& s = kSizes[static_cast<size_t>(size)];
  std::vector<OpCase> cases;
  add_plain_cases(s, type, &cases);
  add_product_cases(s, type, &cases);
  add_attention_cases(s, type, &cases);
  add_filter_cases(s, type, &cases);
  add_routing_cases(s, &cases);
  add_layer_cases(s, type, &cases);
  return cases;
}

}  // namespace cadre::ops
