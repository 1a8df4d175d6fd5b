#include "model/pass_cost.h"

#include <algorithm>
#include <vector>

#include "model/cost.h"

namespace cadre::model {
namespace {

// The share of a layer's experts that at least one token meets.
double share_of_experts(const nn::ForwardTrace* trace, size_t layer, int64_t num_experts) {
  if (trace == nullptr || !trace->routers[layer].experts.defined()) return 1.0;
  std::vector<bool> met(static_cast<size_t>(num_experts));
  for (const int32_t expert : trace->routers[layer].experts.span<int32_t>()) {
    if (expert >= 0) met[static_cast<size_t>(expert)] = true;
  }
  return static_cast<double>(std::ranges::count(met, true)) / static_cast<double>(num_experts);
}

// Rows that a layer's experts compute: the choices of its tokens that were not dropped.
double rows_of_experts(const nn::ForwardTrace& trace, size_t layer) {
  const std::span<const int32_t> experts = trace.routers[layer].experts.span<int32_t>();
  return static_cast<double>(std::ranges::count_if(experts, [](int32_t e) { return e >= 0; }));
}

// "blocks.3.experts.down" -> 3
size_t layer_of(const std::string& name) {
  constexpr std::string_view kPrefix = "blocks.";
  return static_cast<size_t>(std::stoll(name.substr(kPrefix.size())));
}

void add_ops(PassCost& cost, const ops::Weight& weight, double ops) {
  if (weight.packed.defined()) {
    cost.i8_ops += ops;
  } else {
    (weight.dtype() == DType::bf16 ? cost.bf16_flops : cost.f32_flops) += ops;
  }
}

// Keys that the new tokens of a sequence see, summed over them.
double visible_keys(const AttentionSpec& attention, const PassSequence& sequence) {
  double sum = 0.0;
  for (int64_t i = 1; i <= sequence.num_tokens; ++i) {
    const int64_t length = sequence.depth + i;
    sum += static_cast<double>(attention.window > 0 ? std::min(attention.window, length) : length);
  }
  return sum;
}

}  // namespace

double PassCost::seconds(const ops::Roofline& machine) const {
  const double arithmetic =
      i8_ops / machine.i8_ops + bf16_flops / machine.bf16_flops + f32_flops / machine.f32_flops;
  return std::max(arithmetic, bytes / machine.read_bytes);
}

PassCost pass_cost(const ModelSpec& spec, const Parameters& parameters,
                   std::span<const PassSequence> sequences, int64_t num_logits,
                   const nn::ForwardTrace* trace) {
  PassCost cost;
  int64_t tokens = 0;
  for (const PassSequence& sequence : sequences) tokens += sequence.num_tokens;
  for (int64_t p = 0; p < parameters.size(); ++p) {
    const ParameterSpec& parameter = parameters.specs()[static_cast<size_t>(p)];
    const ops::Weight& weight = parameters.weight(p);
    const bool is_head = parameter.kind == ParameterKind::head ||
                         (parameter.kind == ParameterKind::embedding && spec.tied_embeddings);
    if (parameter.kind == ParameterKind::embedding && !is_head) continue;  // rows are looked up
    auto bytes = static_cast<double>(weight.bytes());
    if (parameter.kind == ParameterKind::expert) {
      // All of them, in memory or not.
      const int64_t experts = parameter.shape.dim(0);
      bytes = static_cast<double>(weight.matrix_bytes() * experts) *
              share_of_experts(trace, layer_of(parameter.name), experts);
    }
    cost.bytes += bytes;
    if (parameter.shape.rank() < 2) continue;
    if (parameter.kind == ParameterKind::expert && trace != nullptr &&
        trace->routers[layer_of(parameter.name)].experts.defined()) {
      add_ops(cost, weight,
              2.0 * static_cast<double>(parameter.shape.dim(1) * parameter.shape.dim(2)) *
                  rows_of_experts(*trace, layer_of(parameter.name)));
      continue;
    }
    add_ops(cost, weight,
            2.0 * static_cast<double>(parameter.active_elements) *
                static_cast<double>(is_head ? num_logits : tokens));
  }
  const int64_t element = dtype_size(parameters.compute());
  double& attention_flops = parameters.compute() == DType::bf16 ? cost.bf16_flops : cost.f32_flops;
  for (const BlockSpec& block : spec.blocks) {
    const AttentionSpec& attention = block.attention;
    for (const PassSequence& sequence : sequences) {
      attention_flops += 4.0 * static_cast<double>(attention.num_heads * attention.head_dim) *
                         visible_keys(attention, sequence);
      const int64_t length = sequence.depth + sequence.num_tokens;
      const int64_t seen = attention.window > 0
                               ? std::min(length, attention.window + sequence.num_tokens - 1)
                               : length;
      cost.bytes +=
          static_cast<double>(seen * 2 * attention.num_kv_heads * attention.head_dim * element);
    }
  }
  return cost;
}

}  // namespace cadre::model
