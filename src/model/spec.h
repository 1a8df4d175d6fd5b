// A model as data: what a family file makes of a published configuration, and all that the parts in
// nn/ need to know. Counts are of the shapes in docs: D hidden_size, H num_heads, Hkv num_kv_heads,
// Dh head_dim, E num_experts, k top_k, F intermediate_size, V vocab_size, L blocks.size().
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace cadre::model {

struct RopeSpec {
  double theta = 10000.0;

  bool operator==(const RopeSpec&) const = default;
};

// Whether queries and keys are normalised before they turn.
enum class QkNorm {
  none,
  full_width,  // one RMS over all heads of the projection, as in OLMoE
};

struct AttentionSpec {
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  RopeSpec rope;
  QkNorm qk_norm = QkNorm::none;
  int64_t window = 0;  // keys that a query sees, itself included; 0 means all

  bool operator==(const AttentionSpec&) const = default;
};

// Softmax over all experts in f32, then the top_k; dropless.
struct RouterSpec {
  int64_t num_experts = 0;
  int64_t top_k = 0;
  bool renormalise = false;  // weights of the chosen rescaled to sum to one

  bool operator==(const RouterSpec&) const = default;
};

// A gated MLP: down(silu(gate x) * up x).
struct MlpSpec {
  int64_t intermediate_size = 0;

  bool operator==(const MlpSpec&) const = default;
};

struct MoeSpec {
  RouterSpec router;
  MlpSpec expert;

  bool operator==(const MoeSpec&) const = default;
};

// Pre-norm: x += attention(norm(x)); x += feed_forward(norm(x)).
struct BlockSpec {
  AttentionSpec attention;
  std::variant<MoeSpec, MlpSpec> feed_forward;

  bool operator==(const BlockSpec&) const = default;
};

struct ModelSpec {
  std::string architecture;  // as in config.json, e.g. "OlmoeForCausalLM"
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t max_positions = 0;
  double rms_norm_eps = 1e-5;
  double initializer_range = 0.02;
  bool tied_embeddings = false;
  int64_t eos_token_id = -1;  // -1 if the configuration names none
  int64_t pad_token_id = -1;
  // The load-balancing coefficient of the configuration; training may choose another.
  double router_aux_loss_coef = 0.0;
  std::vector<BlockSpec> blocks;

  int64_t num_layers() const { return static_cast<int64_t>(blocks.size()); }
};

// Throws Error(invalid_input), naming `where` and the field: sizes below 1, heads that do not
// divide, an odd head_dim, top_k beyond num_experts, and whatever would overflow a count of
// parameters.
void validate(const ModelSpec& spec, const std::string& where);

}  // namespace cadre::model
