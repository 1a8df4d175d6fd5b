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
constexpr int64_t kMaxExperts = 1 << 16;
constexpr double kMaxParameters = 0x1p50;

void check(const std::string& where, std::string_view field, int64_t value, int64_t high) {
  if (value < 1 || value > high) {
    fail(ErrorKind::invalid_input, "{}: {} = {}, expected 1 to {}", where, field, value, high);
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
  if (!(spec.rope.theta > 0)) {
    fail(ErrorKind::invalid_input, "{}: rope_theta = {}, expected more than 0", where,
         spec.rope.theta);
  }
}

void check_feed_forward(const std::variant<MoeSpec, MlpSpec>& spec, const std::string& where) {
  if (const auto* mlp = std::get_if<MlpSpec>(&spec)) {
    check(where, "intermediate_size", mlp->intermediate_size, kMaxExtent);
    return;
  }
  const auto& moe = std::get<MoeSpec>(spec);
  check(where, "intermediate_size", moe.expert.intermediate_size, kMaxExtent);
  check(where, "num_experts", moe.router.num_experts, kMaxExperts);
  check(where, "num_experts_per_tok", moe.router.top_k, moe.router.num_experts);
}

// About as many as there are; in f64, which cannot overflow.
double count_parameters(const ModelSpec& spec) {
  const auto hidden = static_cast<double>(spec.hidden_size);
  double count = 2.0 * hidden * static_cast<double>(spec.vocab_size);
  for (const BlockSpec& block : spec.blocks) {
    const double heads = static_cast<double>(block.attention.num_heads) +
                         static_cast<double>(block.attention.num_kv_heads);
    count += 2.0 * hidden * heads * static_cast<double>(block.attention.head_dim);
    if (const auto* mlp = std::get_if<MlpSpec>(&block.feed_forward)) {
      count += 3.0 * hidden * static_cast<double>(mlp->intermediate_size);
    } else {
      const auto& moe = std::get<MoeSpec>(block.feed_forward);
      count += hidden * static_cast<double>(moe.router.num_experts) *
               (3.0 * static_cast<double>(moe.expert.intermediate_size) + 1.0);
    }
  }
  return count;
}

}  // namespace

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
  }
  if (const double count = count_parameters(spec); count > kMaxParameters) {
    fail(ErrorKind::invalid_input, "{}: describes {:.3g} parameters, expected at most {:.3g}",
         where, count, kMaxParameters);
  }
}

}  // namespace cadre::model
