#include "model/mistral_names.h"

#include <algorithm>
#include <array>
#include <variant>

namespace cadre::model {
namespace {

constexpr NameRule kCommon[] = {
    {"embedding", Part::whole, "tok_embeddings.weight"},
    {"blocks.{l}.attention_norm", Part::whole, "layers.{l}.attention_norm.weight"},
    {"blocks.{l}.attention.query", Part::rope_pairs, "layers.{l}.attention.wq.weight"},
    {"blocks.{l}.attention.key", Part::rope_pairs, "layers.{l}.attention.wk.weight"},
    {"blocks.{l}.attention.value", Part::whole, "layers.{l}.attention.wv.weight"},
    {"blocks.{l}.attention.output", Part::whole, "layers.{l}.attention.wo.weight"},
    {"blocks.{l}.feed_forward_norm", Part::whole, "layers.{l}.ffn_norm.weight"},
    {"norm", Part::whole, "norm.weight"},
    {"head", Part::whole, "output.weight"},
};
constexpr NameRule kDense[] = {
    {"blocks.{l}.mlp.gate_up", Part::gate, "layers.{l}.feed_forward.w1.weight"},
    {"blocks.{l}.mlp.gate_up", Part::up, "layers.{l}.feed_forward.w3.weight"},
    {"blocks.{l}.mlp.down", Part::whole, "layers.{l}.feed_forward.w2.weight"},
};
constexpr NameRule kExperts[] = {
    {"blocks.{l}.router", Part::whole, "layers.{l}.feed_forward.gate.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_gate,
     "layers.{l}.feed_forward.experts.{e}.w1.weight"},
    {"blocks.{l}.experts.gate_up", Part::expert_up,
     "layers.{l}.feed_forward.experts.{e}.w3.weight"},
    {"blocks.{l}.experts.down", Part::expert, "layers.{l}.feed_forward.experts.{e}.w2.weight"},
};
// As Mixtral 8x7B was first published, in December 2023.
constexpr NameRule kStacked[] = {
    {"blocks.{l}.router", Part::whole, "layers.{l}.block_sparse_moe.gate.weight"},
    {"blocks.{l}.experts.gate_up", Part::stacked_gate, "layers.{l}.block_sparse_moe.w1"},
    {"blocks.{l}.experts.gate_up", Part::stacked_up, "layers.{l}.block_sparse_moe.w3"},
    {"blocks.{l}.experts.down", Part::stacked_down_t, "layers.{l}.block_sparse_moe.w2"},
};

template <size_t kA, size_t kB>
constexpr std::array<NameRule, kA + kB> join(const NameRule (&a)[kA], const NameRule (&b)[kB]) {
  std::array<NameRule, kA + kB> all{};
  std::copy_n(a, kA, all.begin());
  std::copy_n(b, kB, all.begin() + kA);
  return all;
}
constexpr auto kDenseNames = join(kCommon, kDense);
constexpr auto kExpertNames = join(kCommon, kExperts);
constexpr auto kStackedNames = join(kCommon, kStacked);

constexpr NameLayout kDenseLayouts[] = {{"consolidated", kDenseNames}};
constexpr NameLayout kMixtureLayouts[] = {
    {"one tensor for each expert", kExpertNames},
    {"experts stacked on rows", kStackedNames},
};

}  // namespace

std::span<const NameLayout> mistral_layouts(const ModelSpec& spec) {
  if (std::holds_alternative<MlpSpec>(spec.blocks.front().feed_forward)) return kDenseLayouts;
  return kMixtureLayouts;
}

}  // namespace cadre::model
