// The named parameters of a model: first as a list that follows from the spec alone, then as
// memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/ops/context.h"
#include "core/ops/expert_store.h"
#include "core/ops/weight.h"
#include "core/tensor/tensor.h"
#include "model/spec.h"

namespace cadre::model {

enum class ParameterKind {
  embedding,   // [V, D]
  head,        // [V, D]
  projection,  // attention and dense MLP matrices
  expert,      // [E, out, in], a matrix for each expert
  router,      // [E, D] or [3E, D]; f32 in every mode
  buffer,      // f32 in every mode; not trained by gradients, but part of a checkpoint
  norm,        // a vector; f32 in every mode
  bias,        // a vector; f32 in every mode
};

struct ParameterSpec {
  std::string name;  // e.g. "blocks.3.experts.gate_up"
  Shape shape;
  ParameterKind kind;
  // The share of the parameter that one token uses: k / E for experts, else 1.
  int64_t active_elements;
};

// Every parameter, in the order of the forward pass. Names:
//
//   embedding, norm, head (absent if tied)
//   blocks.{l}.attention_norm
//   blocks.{l}.attention.{query, key, value, output}, and where the spec says so
//   blocks.{l}.attention.{query_norm, key_norm}, .attention.{query, key, value, output}_bias
//   blocks.{l}.attention.filter.{first [C, 2D], first_bias, second [D, 2C], second_bias, norm}, the
//   columns of the token before first
//   blocks.{l}.residual_norm, .residual_mlp.gate_up [2F, D], .residual_mlp.down [D, F]
//   blocks.{l}.feed_forward_norm
//   blocks.{l}.router [E, D], or [3E, D]: query, key and value of an attention router
//   blocks.{l}.router_noise [E, D] of noisy top-k, blocks.{l}.router_bias [E] of a selection bias
//   blocks.{l}.experts.gate_up [E, 2F, D] (gate rows first), .experts.down [E, D, F]
//   blocks.{l}.shared_expert.gate_up [2F, D], .shared_expert.down [D, F]
//   blocks.{l}.shared_expert_gate [1, D]
//   blocks.{l}.mlp.gate_up [2F, D], .mlp.down [D, F], .mlp.gate_up_bias [2F], .mlp.down_bias [D]
//
// Without learned norms (NormKind::layer) there are none of these names.
std::vector<ParameterSpec> parameter_list(const ModelSpec& spec);

// The type in which a parameter of that kind takes part in the forward pass: selective precision
// keeps the router and the norms in f32 whatever the compute type (Switch, arXiv:2101.03961).
DType compute_type(ParameterKind kind, DType compute);

// A parameter as the matrices that it consists of: one for each expert, else one. A vector is one
// row.
struct MatrixShape {
  int64_t count, rows, k;  // k is the innermost dimension

  int64_t elements() const { return rows * k; }  // of one
};
MatrixShape matrix_shape(const ParameterSpec& parameter);

// Whether a parameter may be held in few bits, in memory and in files: the matrices that tokens are
// multiplied with, but for those that selective precision keeps, and the taps of local filters,
// which are small.
bool can_be_packed(const ParameterSpec& parameter);

// The memory: one tensor, or packed matrix, for each entry of the list. Layers hold handles to the
// same storage, so what an optimiser writes here is what the next forward pass reads.
class Parameters {
 public:
  // Uninitialised tensors of compute_type(kind, compute).
  Parameters(Context& ctx, const ModelSpec& spec, DType compute);
  // As above, but where `existing` gives a tensor (of that shape and type) or, if it can be packed,
  // a packed matrix of that shape, it is the parameter; where it gives neither, memory is
  // allocated. Asked once for each entry, in order. With a store, matrices of experts may be stacks
  // of any number (ops::Weight::slots).
  Parameters(Context& ctx, const ModelSpec& spec, DType compute,
             const std::function<ops::Weight(int64_t parameter)>& existing,
             std::shared_ptr<ops::ExpertStore> experts = nullptr);

  const std::vector<ParameterSpec>& specs() const { return specs_; }
  int64_t size() const { return static_cast<int64_t>(specs_.size()); }
  DType compute() const { return compute_; }
  const ops::Weight& weight(int64_t index) const { return weights_[static_cast<size_t>(index)]; }
  // Throws Error(internal) if there is no parameter of that name.
  const ops::Weight& weight(std::string_view name) const;
  // The same, of a parameter that is not packed, or Error(internal).
  const Tensor& tensor(int64_t index) const;
  const Tensor& tensor(std::string_view name) const;
  // Where the experts' matrices are if not all of them are here; null as a rule.
  const std::shared_ptr<ops::ExpertStore>& experts() const { return experts_; }
  // The bytes of memory of all of them.
  int64_t bytes() const;
  bool contains(std::string_view name) const;
  int64_t index_of(std::string_view name) const;

 private:
  std::vector<ParameterSpec> specs_;
  std::vector<ops::Weight> weights_;
  std::unordered_map<std::string, int64_t> index_;
  std::shared_ptr<ops::ExpertStore> experts_;
  DType compute_;
};

// Fills an f32 tensor as the parameter starts its life: norms with 1, biases, buffers and the
// routers of noisy top-k with 0, matrices with a normal distribution of standard deviation
// spec.initializer_range cut at three deviations, or with spec.fan_in_scale of sqrt(s / inputs) cut
// at two. The values are a function of (seed, name, element) alone.
void initialise(Context& ctx, const ModelSpec& model, const ParameterSpec& parameter, uint64_t seed,
                const Tensor& target);

}  // namespace cadre::model
