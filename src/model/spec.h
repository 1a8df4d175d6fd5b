// A model as data: what a family file makes of a published configuration, and all that the parts in
// nn/ need to know. Counts are of the shapes in docs: D hidden_size, H num_heads, Hkv num_kv_heads,
// Dh head_dim, E num_experts, k top_k, F intermediate_size, V vocab_size, L blocks.size().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/ops/rope_precision.h"
#include "core/ops/router_spec.h"

namespace cadre::model {

// How rotary frequencies are stretched for contexts longer than those of pretraining.
enum class RopeScalingKind {
  none,
  linear,  // all frequencies divided by `factor` (Chen et al., arXiv:2306.15595)
  llama3,  // low ones divided, high ones kept, those between interpolated (arXiv:2407.21783)
};

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::none;
  double factor = 1.0;
  // llama3 only: turns within `original_positions` below which a frequency is low, and above which
  // it is high.
  double low_frequency_factor = 1.0;
  double high_frequency_factor = 4.0;
  int64_t original_positions = 8192;

  bool operator==(const RopeScaling&) const = default;
};

struct RopeSpec {
  double theta = 10000.0;
  int64_t rotary_dim = 0;  // leading elements of each head that turn; 0 means all
  ops::RopePrecision precision = ops::RopePrecision::f32;
  RopeScaling scaling = {};

  bool operator==(const RopeSpec&) const = default;
};

// Whether queries and keys are normalised before they turn.
enum class QkNorm {
  none,
  full_width,  // one RMS over all heads of the projection, as in OLMoE
};

// Localized filtering (Yuan 2.0): two causal convolutions of depth two, D -> C -> D, a residual and
// a norm with an eps of its own.
struct LocalFilterSpec {
  int64_t inner_size = 0;  // C
  double eps = 1e-6;

  bool operator==(const LocalFilterSpec&) const = default;
};

struct AttentionSpec {
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  RopeSpec rope;
  QkNorm qk_norm = QkNorm::none;
  double clip_qkv = 0.0;     // q, k, v clamped to [-clip_qkv, clip_qkv] before they turn; 0: not
  bool qkv_bias = false;     // on the projections of q, k and v
  bool output_bias = false;  // on the projection of the result
  int64_t window = 0;        // keys that a query sees, itself included; 0 means all
  // Queries and keys are made of the filtered input, values of the plain one.
  std::optional<LocalFilterSpec> filter = {};

  int64_t rotary_dim() const { return rope.rotary_dim > 0 ? rope.rotary_dim : head_dim; }
  bool operator==(const AttentionSpec&) const = default;
};

// Which experts a token meets, and with which weights; by default the dropless top_k of a softmax
// over all experts in f32.
using ops::RouterKind;
using ops::RouterSpec;

// A gated MLP: down(silu(gate x) * up x).
struct MlpSpec {
  int64_t intermediate_size = 0;
  bool bias = false;  // on all three projections; dense layers only

  bool operator==(const MlpSpec&) const = default;
};

// An expert that every token meets beside those of the router (Dai et al., "DeepSeekMoE",
// arXiv:2401.06066). Several of them add up to one of their joint width, and are kept so.
struct SharedExpertSpec {
  int64_t intermediate_size = 0;  // 0: there is none
  bool sigmoid_gate = false;      // its output is scaled by sigmoid(<w, x>), as in Qwen2-MoE

  bool operator==(const SharedExpertSpec&) const = default;
};

struct MoeSpec {
  RouterSpec router;
  MlpSpec expert;
  SharedExpertSpec shared = {};

  bool operator==(const MoeSpec&) const = default;
};

enum class NormKind {
  rms,    // with a learned weight
  layer,  // LayerNorm without weight or bias, as in OLMo
};

enum class NormPlacement {
  before,  // x += attention(norm(x)); x += feed_forward(norm(x))
  after,   // x += norm(attention(x)); x += norm(feed_forward(x)), as in OLMo 2
};

struct BlockSpec {
  NormPlacement norm = NormPlacement::before;
  AttentionSpec attention;
  std::variant<MoeSpec, MlpSpec> feed_forward;
  // The dense-MoE hybrid of Arctic: a = x + attention(norm(x)), then
  // x = a + residual_mlp(norm(a)) + feed_forward(norm(x)) with the x of before. Norms stand before.
  std::optional<MlpSpec> residual_mlp = {};

  bool operator==(const BlockSpec&) const = default;
};

struct ModelSpec {
  std::string architecture;  // as in config.json, e.g. "OlmoeForCausalLM"
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t max_positions = 0;
  NormKind norm = NormKind::rms;
  double rms_norm_eps = 1e-5;  // of either kind
  double initializer_range = 0.02;
  // s of Switch Transformer's initialisation: matrices but for the embedding start with a deviation
  // of sqrt(s / inputs) instead. 0 is off.
  double fan_in_scale = 0.0;
  bool tied_embeddings = false;
  int64_t bos_token_id = -1;  // -1 if the configuration names none
  int64_t eos_token_id = -1;
  int64_t pad_token_id = -1;
  // The load-balancing coefficient of the configuration; training may choose another.
  double router_aux_loss_coef = 0.0;
  // Where the model departs from its configuration, in words, for whoever opened it to show.
  std::vector<std::string> notes;
  std::vector<BlockSpec> blocks;

  int64_t num_layers() const { return static_cast<int64_t>(blocks.size()); }

  bool operator==(const ModelSpec&) const = default;
};

// False if experts choose tokens, those to come included, so that no text can be written.
bool can_decode(const ModelSpec& spec);
// Throws Error(unsupported) then: for whoever is about to write.
void expect_can_decode(const ModelSpec& spec);

// Throws Error(invalid_input), naming `where` and the field: sizes below 1, heads that do not
// divide, an odd head_dim, top_k beyond num_experts, a scaling or clamp that is not a positive
// number, and whatever would overflow a count of parameters.
void validate(const ModelSpec& spec, const std::string& where);

}  // namespace cadre::model
