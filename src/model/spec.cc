#include "model/spec.h"

#include <algorithm>
#include <string_view>

#include "core/base/error.h"

namespace cadre::model {
namespace {

// Far above any published model. Products of several extents may pass 2^63, so their sum is held
// below kMaxParameters, which leaves room for bytes and operations.
constexpr int64_t kMaxExtent = int64_t{1} << 24;
constexpr int64_t kMaxRotaryElements = int64_t{1} << 28;
constexpr int64_t kMaxLayers = 4096;
constexpr double kMaxParameters = 0x1p50;
constexpr int64_t kMaxWindow = int64_t{1} << 40;
constexpr double kMaxNumber = 1e30;  // of what becomes an f32

void check(const std::string& where, std::string_view field, int64_t value, int64_t high) {
  if (value < 1 || value > high) {
    fail(ErrorKind::invalid_input, "{}: {} = {}, expected 1 to {}", where, field, value, high);
  }
}

void check_scaling(const RopeScaling& spec, const std::string& where) {
  const auto positive = [&](std::string_view field, double value) {
    if (value > 0 && value < kMaxNumber) return;
    fail(ErrorKind::invalid_input, "{}: rope_scaling: {} = {}, expected more than 0", where, field,
         value);
  };
  if (spec.kind == RopeScalingKind::none) return;
  positive("factor", spec.factor);
  if (spec.kind == RopeScalingKind::linear) return;
  positive("low_freq_factor", spec.low_frequency_factor);
  positive("high_freq_factor", spec.high_frequency_factor);
  check(where, "original_max_position_embeddings", spec.original_positions, kMaxExtent);
  if (spec.high_frequency_factor <= spec.low_frequency_factor) {
    fail(ErrorKind::invalid_input,
         "{}: rope_scaling: high_freq_factor = {}, expected more than low_freq_factor = {}", where,
         spec.high_frequency_factor, spec.low_frequency_factor);
  }
}

void check_attention(const AttentionSpec& spec, const std::string& where) {
  check(where, "num_attention_heads", spec.num_heads, kMaxExtent);
  check(where, "num_key_value_heads", spec.num_kv_heads, spec.num_heads);
  check(where, "head_dim", spec.head_dim, 1 << 16);
  if (spec.num_heads % spec.num_kv_heads != 0) {
    fail(ErrorKind::invalid_input,
         "{}: num_attention_heads = {} is not a multiple of num_key_value_heads = {}", where,
         spec.num_heads, spec.num_kv_heads);
  }
  if (spec.head_dim % 2 != 0) {
    fail(ErrorKind::invalid_input, "{}: head_dim = {}, expected an even number", where,
         spec.head_dim);
  }
  if (spec.rope.rotary_dim != 0) {
    check(where, "rotary_dim", spec.rope.rotary_dim, spec.head_dim);
    if (spec.rope.rotary_dim % 2 != 0) {
      fail(ErrorKind::invalid_input, "{}: rotary_dim = {}, expected an even number", where,
           spec.rope.rotary_dim);
    }
  }
  if (spec.filter) {
    check(where, "inner size of the local filter", spec.filter->inner_size, kMaxExtent);
  }
  if (!(spec.rope.theta > 0)) {
    fail(ErrorKind::invalid_input, "{}: rope_theta = {}, expected more than 0", where,
         spec.rope.theta);
  }
  check_scaling(spec.rope.scaling, where);
  if (!(spec.clip_qkv >= 0 && spec.clip_qkv < kMaxNumber)) {
    fail(ErrorKind::invalid_input, "{}: clip_qkv = {}, expected more than 0", where, spec.clip_qkv);
  }
  if (spec.window != 0) check(where, "sliding_window", spec.window, kMaxWindow);
}

void check_feed_forward(const std::variant<MoeSpec, MlpSpec>& spec, const std::string& where) {
  if (const auto* mlp = std::get_if<MlpSpec>(&spec)) {
    check(where, "intermediate_size", mlp->intermediate_size, kMaxExtent);
    return;
  }
  const auto& moe = std::get<MoeSpec>(spec);
  check(where, "intermediate_size", moe.expert.intermediate_size, kMaxExtent);
  ops::validate(moe.router, where);
  const SharedExpertSpec& shared = moe.shared;
  if (shared.intermediate_size != 0) {
    check(where, "shared_expert_intermediate_size", shared.intermediate_size, kMaxExtent);
  }
}

double mlp_parameters(const MlpSpec& spec, double hidden) {
  return 3.0 * hidden * static_cast<double>(spec.intermediate_size);
}

// About as many as there are; in f64, which cannot overflow.
double count_parameters(const ModelSpec& spec) {
  const auto hidden = static_cast<double>(spec.hidden_size);
  double count = 2.0 * hidden * static_cast<double>(spec.vocab_size);
  for (const BlockSpec& block : spec.blocks) {
    const double heads = static_cast<double>(block.attention.num_heads) +
                         static_cast<double>(block.attention.num_kv_heads);
    count += 2.0 * hidden * heads * static_cast<double>(block.attention.head_dim);
    if (block.attention.filter) {
      count += 4.0 * hidden * static_cast<double>(block.attention.filter->inner_size);
    }
    if (block.residual_mlp) count += mlp_parameters(*block.residual_mlp, hidden);
    if (const auto* mlp = std::get_if<MlpSpec>(&block.feed_forward)) {
      count += mlp_parameters(*mlp, hidden);
    } else {
      const auto& moe = std::get<MoeSpec>(block.feed_forward);
      count += static_cast<double>(moe.router.num_experts) *
               (mlp_parameters(moe.expert, hidden) + 3.0 * hidden);
      count += 3.0 * hidden * static_cast<double>(moe.shared.intermediate_size);
    }
  }
  return count;
}

}  // namespace

bool can_decode(const ModelSpec& spec) {
  return std::ranges::all_of(spec.blocks, [](const BlockSpec& block) {
    const auto* moe = std::get_if<MoeSpec>(&block.feed_forward);
    return moe == nullptr || ops::can_decode(moe->router);
  });
}

void expect_can_decode(const ModelSpec& spec) {
  if (can_decode(spec)) return;
  fail(ErrorKind::unsupported,
       "experts of this model choose their tokens among all of a sequence, those to come included, "
       "so it cannot write text token by token");
}

void validate(const ModelSpec& spec, const std::string& where) {
  check(where, "vocab_size", spec.vocab_size, kMaxExtent);
  check(where, "hidden_size", spec.hidden_size, kMaxExtent);
  check(where, "max_position_embeddings", spec.max_positions, kMaxExtent);
  for (const BlockSpec& block : spec.blocks) {
    // The tables of rotary positions are filled when a model is built: no more than 1 GiB of them.
    const int64_t head_dim = std::max<int64_t>(block.attention.head_dim, 1);
    check(where, "max_position_embeddings", spec.max_positions, kMaxRotaryElements / head_dim);
  }
  check(where, "num_hidden_layers", spec.num_layers(), kMaxLayers);
  if (!(spec.rms_norm_eps >= 0 && spec.rms_norm_eps < 1)) {
    fail(ErrorKind::invalid_input, "{}: rms_norm_eps = {}, expected 0 to 1", where,
         spec.rms_norm_eps);
  }
  for (const BlockSpec& block : spec.blocks) {
    check_attention(block.attention, where);
    check_feed_forward(block.feed_forward, where);
    if (block.residual_mlp) {
      check(where, "size of the residual MLP", block.residual_mlp->intermediate_size, kMaxExtent);
    }
  }
  if (const double count = count_parameters(spec); count > kMaxParameters) {
    fail(ErrorKind::invalid_input, "{}: describes {:.3g} parameters, expected at most {:.3g}",
         where, count, kMaxParameters);
  }
}

}  // namespace cadre::model
