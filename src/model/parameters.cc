#include "model/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/random.h"

namespace cadre::model {
namespace {

class ListBuilder {
 public:
  void add(std::string name, Shape shape, ParameterKind kind) {
    add_sparse(std::move(name), shape, kind, 1, 1);
  }
  // Of `of` equal parts a token uses `used`.
  void add_sparse(std::string name, Shape shape, ParameterKind kind, int64_t used, int64_t of) {
    list.push_back({std::move(name), shape, kind, shape.elements() / of * used});
  }
  void add_norm(const ModelSpec& spec, std::string name) {
    if (spec.norm == NormKind::rms) {
      add(std::move(name), {spec.hidden_size}, ParameterKind::norm);
    }
  }
  std::vector<ParameterSpec> list;
};

void add_filter(ListBuilder& builder, const std::string& filter, const LocalFilterSpec& spec,
                int64_t hidden_size) {
  const int64_t inner = spec.inner_size;
  builder.add(filter + "first", {inner, 2 * hidden_size}, ParameterKind::projection);
  builder.add(filter + "first_bias", {inner}, ParameterKind::bias);
  builder.add(filter + "second", {hidden_size, 2 * inner}, ParameterKind::projection);
  builder.add(filter + "second_bias", {hidden_size}, ParameterKind::bias);
  builder.add(filter + "norm", {hidden_size}, ParameterKind::norm);
}

// The two matrices of a gated MLP that every token meets.
void add_mlp(ListBuilder& builder, const std::string& name, int64_t width, int64_t hidden_size) {
  builder.add(name + ".gate_up", {2 * width, hidden_size}, ParameterKind::projection);
  builder.add(name + ".down", {hidden_size, width}, ParameterKind::projection);
}

void add_attention(ListBuilder& builder, const std::string& block, const AttentionSpec& spec,
                   int64_t hidden_size) {
  const int64_t query_width = spec.num_heads * spec.head_dim;
  const int64_t key_width = spec.num_kv_heads * spec.head_dim;
  if (spec.filter) add_filter(builder, block + "attention.filter.", *spec.filter, hidden_size);
  builder.add(block + "attention.query", {query_width, hidden_size}, ParameterKind::projection);
  builder.add(block + "attention.key", {key_width, hidden_size}, ParameterKind::projection);
  builder.add(block + "attention.value", {key_width, hidden_size}, ParameterKind::projection);
  if (spec.qkv_bias) {
    builder.add(block + "attention.query_bias", {query_width}, ParameterKind::bias);
    builder.add(block + "attention.key_bias", {key_width}, ParameterKind::bias);
    builder.add(block + "attention.value_bias", {key_width}, ParameterKind::bias);
  }
  if (spec.qk_norm == QkNorm::full_width) {
    builder.add(block + "attention.query_norm", {query_width}, ParameterKind::norm);
    builder.add(block + "attention.key_norm", {key_width}, ParameterKind::norm);
  }
  builder.add(block + "attention.output", {hidden_size, query_width}, ParameterKind::projection);
  if (spec.output_bias) {
    builder.add(block + "attention.output_bias", {hidden_size}, ParameterKind::bias);
  }
}

void add_moe(ListBuilder& builder, const std::string& block, const MoeSpec& spec,
             int64_t hidden_size) {
  const int64_t experts = spec.router.num_experts;
  const int64_t width = spec.expert.intermediate_size;
  const int64_t rows = spec.router.kind == RouterKind::attention ? 3 * experts : experts;
  builder.add(block + "router", {rows, hidden_size}, ParameterKind::router);
  if (spec.router.noise == ops::LogitNoise::gaussian) {
    builder.add(block + "router_noise", {experts, hidden_size}, ParameterKind::router);
  }
  const auto* choice = std::get_if<ops::TokenChoice>(&spec.router.choice);
  if (choice != nullptr && choice->selection_bias) {
    builder.add(block + "router_bias", {experts}, ParameterKind::buffer);
  }
  builder.add_sparse(block + "experts.gate_up", {experts, 2 * width, hidden_size},
                     ParameterKind::expert, spec.router.top_k, experts);
  builder.add_sparse(block + "experts.down", {experts, hidden_size, width}, ParameterKind::expert,
                     spec.router.top_k, experts);
  if (spec.shared.intermediate_size > 0) {
    add_mlp(builder, block + "shared_expert", spec.shared.intermediate_size, hidden_size);
    if (spec.shared.sigmoid_gate) {
      builder.add(block + "shared_expert_gate", {1, hidden_size}, ParameterKind::router);
    }
  }
}

bool has_noisy_router(const ModelSpec& spec) {
  return std::ranges::any_of(spec.blocks, [](const BlockSpec& block) {
    const auto* moe = std::get_if<MoeSpec>(&block.feed_forward);
    return moe != nullptr && moe->router.noise == ops::LogitNoise::gaussian;
  });
}

}  // namespace

std::vector<ParameterSpec> parameter_list(const ModelSpec& spec) {
  const int64_t hidden_size = spec.hidden_size;
  ListBuilder builder;
  builder.add("embedding", {spec.vocab_size, hidden_size}, ParameterKind::embedding);
  for (int64_t layer = 0; layer < spec.num_layers(); ++layer) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(layer)];
    const std::string prefix = fmt::format("blocks.{}.", layer);
    builder.add_norm(spec, prefix + "attention_norm");
    add_attention(builder, prefix, block.attention, hidden_size);
    if (block.residual_mlp) {
      builder.add_norm(spec, prefix + "residual_norm");
      add_mlp(builder, prefix + "residual_mlp", block.residual_mlp->intermediate_size, hidden_size);
    }
    builder.add_norm(spec, prefix + "feed_forward_norm");
    if (const auto* moe = std::get_if<MoeSpec>(&block.feed_forward)) {
      add_moe(builder, prefix, *moe, hidden_size);
    } else {
      const auto& mlp = std::get<MlpSpec>(block.feed_forward);
      add_mlp(builder, prefix + "mlp", mlp.intermediate_size, hidden_size);
      if (mlp.bias) {
        builder.add(prefix + "mlp.gate_up_bias", {2 * mlp.intermediate_size}, ParameterKind::bias);
        builder.add(prefix + "mlp.down_bias", {hidden_size}, ParameterKind::bias);
      }
    }
  }
  builder.add_norm(spec, "norm");
  if (!spec.tied_embeddings) {
    builder.add("head", {spec.vocab_size, hidden_size}, ParameterKind::head);
  }
  return builder.list;
}

DType compute_type(ParameterKind kind, DType compute) {
  const bool selective = kind == ParameterKind::router || kind == ParameterKind::norm ||
                         kind == ParameterKind::bias || kind == ParameterKind::buffer;
  return selective ? DType::f32 : compute;
}

MatrixShape matrix_shape(const ParameterSpec& parameter) {
  const Shape& shape = parameter.shape;
  const int64_t k = shape.rank() > 0 ? shape.dim(-1) : 1;
  const int64_t rows = shape.rank() > 1 ? shape.dim(-2) : 1;
  return {shape.rank() > 2 ? shape.dim(0) : 1, rows, k};
}

bool can_be_packed(const ParameterSpec& parameter) {
  switch (parameter.kind) {
    case ParameterKind::embedding:
    case ParameterKind::head:
    case ParameterKind::expert:
      return true;
    case ParameterKind::projection:
      return parameter.name.find(".filter.") == std::string::npos;
    case ParameterKind::router:
    case ParameterKind::buffer:
    case ParameterKind::norm:
    case ParameterKind::bias:
      break;
  }
  return false;
}

Parameters::Parameters(Context& ctx, const ModelSpec& spec, DType compute)
    : Parameters(ctx, spec, compute, [](int64_t) { return ops::Weight(); }) {}

Parameters::Parameters(Context& ctx, const ModelSpec& spec, DType compute,
                       const std::function<ops::Weight(int64_t parameter)>& existing,
                       std::shared_ptr<ops::ExpertStore> experts)
    : specs_(parameter_list(spec)), experts_(std::move(experts)), compute_(compute) {
  for (const ParameterSpec& parameter : specs_) {
    const auto index = static_cast<int64_t>(weights_.size());
    const DType type = compute_type(parameter.kind, compute);
    ops::Weight weight = existing(index);
    if (weight.slots) {
      CADRE_CHECK(experts_ != nullptr && parameter.kind == ParameterKind::expert &&
                  weight.rows() == parameter.shape.dim(-2));
    } else if (weight.packed.defined()) {
      const PackedMatrix& packed = weight.packed;
      CADRE_CHECK(can_be_packed(parameter) && packed.rows == parameter.shape.dim(-2) &&
                  packed.k == parameter.shape.dim(-1) &&
                  packed.count * packed.rows * packed.k == parameter.shape.elements());
    } else if (weight.parts) {
      CADRE_CHECK(can_be_packed(parameter) && weight.dtype() == type &&
                  weight.rows() == parameter.shape.dim(-2) &&
                  weight.bytes() == parameter.shape.elements() * dtype_size(type));
    } else {
      if (!weight.dense.defined()) weight.dense = ctx.empty(parameter.shape, type);
      CADRE_CHECK(weight.dense.shape() == parameter.shape && weight.dense.dtype() == type);
    }
    weight.parameter = index;
    index_[parameter.name] = index;
    weights_.push_back(std::move(weight));
  }
}

bool Parameters::contains(std::string_view name) const {
  return index_.contains(std::string(name));
}

int64_t Parameters::index_of(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  if (found == index_.end()) fail(ErrorKind::internal, "there is no parameter \"{}\"", name);
  return found->second;
}

const ops::Weight& Parameters::weight(std::string_view name) const {
  return weight(index_of(name));
}

const Tensor& Parameters::tensor(int64_t index) const {
  const ops::Weight& held = weight(index);
  if (held.slots || held.parts) {
    fail(ErrorKind::internal, "the parameter \"{}\" is not in one piece of memory",
         specs_[static_cast<size_t>(index)].name);
  }
  if (held.packed.defined()) {
    fail(ErrorKind::internal, "the parameter \"{}\" is packed as {}, expected a tensor",
         specs_[static_cast<size_t>(index)].name, packed_format_name(held.packed.format));
  }
  return held.dense;
}

const Tensor& Parameters::tensor(std::string_view name) const { return tensor(index_of(name)); }

int64_t Parameters::bytes() const {
  int64_t sum = 0;
  for (const ops::Weight& weight : weights_) sum += weight.bytes();
  return sum;
}

void initialise(Context& ctx, const ModelSpec& model, const ParameterSpec& parameter, uint64_t seed,
                const Tensor& target) {
  expect_shape(target, parameter.shape, parameter.name);
  float* values = target.data<float>();
  if (parameter.kind == ParameterKind::norm) {
    std::fill_n(values, target.elements(), 1.0f);
    return;
  }
  // Noisy top-k begins with noise alone, which loads all experts alike.
  const bool is_router =
      parameter.kind == ParameterKind::router && !parameter.name.ends_with("shared_expert_gate");
  if (parameter.kind == ParameterKind::bias || parameter.kind == ParameterKind::buffer ||
      (is_router && has_noisy_router(model))) {
    std::fill_n(values, target.elements(), 0.0f);
    return;
  }
  const bool by_fan_in = model.fan_in_scale > 0.0 && parameter.kind != ParameterKind::embedding;
  const double deviation =
      by_fan_in ? std::sqrt(model.fan_in_scale / static_cast<double>(parameter.shape.dim(-1)))
                : model.initializer_range;
  const double cut = by_fan_in ? 2.0 : 3.0;
  // FNV-1a of the name: the stream must not move when another parameter is added.
  uint64_t stream = 0xcbf29ce484222325ull;
  for (const char c : parameter.name) {
    stream = (stream ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  }
  const RandomStream random(seed, stream);
  // A draw lies beyond three deviations once in 370 times, beyond two once in 22; sixteen in a row
  // never happen.
  constexpr uint64_t kDraws = 16;
  ctx.for_blocks(target.elements(), 1 << 14, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) {
      double z = 0.0;
      for (uint64_t draw = 0; draw < kDraws; ++draw) {
        z = random.normal_at(static_cast<uint64_t>(i) * kDraws + draw);
        if (std::fabs(z) <= cut) break;
      }
      values[i] = static_cast<float>(z * deviation);
    }
  });
}

}  // namespace cadre::model
