#include "train/pretrain/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/base/error.h"
#include "core/ops/cross_entropy.h"
#include "model/cost.h"
#include "model/parameters.h"

namespace cadre::train {
namespace {

// Activations of one block for one token that the backward pass needs, in the order in which the
// forward pass makes them. c is the size of the compute type.
int64_t block_bytes_per_token(const model::ModelSpec& spec, const model::BlockSpec& block,
                              int64_t c) {
  const int64_t hidden = spec.hidden_size;
  const int64_t query = block.attention.num_heads * block.attention.head_dim;
  const int64_t key = block.attention.num_kv_heads * block.attention.head_dim;
  const bool qk_norm = block.attention.qk_norm != model::QkNorm::none;
  // Norm, projections (before and after QK-norm and rotation), attention, its output, residual.
  int64_t bytes = hidden * c + (query + key) * c * (qk_norm ? 3 : 2) + key * c + query * c +
                  4 * block.attention.num_heads + hidden * c + 4 * hidden;
  bytes += hidden * c + 4 * hidden;  // the second norm and the second residual
  if (const auto& filter = block.attention.filter) {
    // Its rows and inner rows with room between sequences, its result in f32 and normalised.
    bytes += (2 * hidden + filter->inner_size) * c + 4 * hidden;
  }
  if (block.residual_mlp) {
    bytes += hidden * c + 4 * hidden + 3 * block.residual_mlp->intermediate_size * c + hidden * c;
  }
  if (block.attention.clip_qkv > 0) bytes += (query + 2 * key) * c;  // what it was before the clamp
  if (spec.norm == model::NormKind::layer) bytes += 2 * 4 * hidden;  // centred rows
  if (block.norm == model::NormPlacement::after) bytes += 2 * hidden * c;
  if (const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward)) {
    const int64_t k = moe->router.top_k;
    const int64_t width = moe->expert.intermediate_size;
    bytes += 3 * 4 * moe->router.num_experts + 4 * hidden;  // logits, probabilities, f32 input
    if (moe->router.kind == model::RouterKind::attention) bytes += 3 * 4 * moe->router.num_experts;
    bytes += k * (hidden + 2 * width + width + hidden) * c + hidden * c;
    if (const int64_t shared = moe->shared.intermediate_size; shared > 0) {
      bytes += (3 * shared + 2 * hidden) * c + (moe->shared.sigmoid_gate ? 4 * hidden : 0);
    }
  } else {
    const int64_t width = std::get<model::MlpSpec>(block.feed_forward).intermediate_size;
    bytes += 3 * width * c + hidden * c;
  }
  return bytes;
}

int64_t activation_bytes(const model::ModelSpec& spec, const TrainConfig& config, int64_t c) {
  const int64_t tokens = config.data.micro_batch * config.data.sequence_length;
  int64_t all_blocks = 0;
  int64_t largest = 0;
  for (const model::BlockSpec& block : spec.blocks) {
    const int64_t bytes = block_bytes_per_token(spec, block, c);
    all_blocks += config.run.recompute ? 4 * spec.hidden_size : bytes;
    largest = std::max(largest, bytes);
  }
  // On the way back the gradients of one block stand beside its activations; the head keeps the
  // derivative of its input and a block of logits.
  const int64_t head = spec.hidden_size * (4 + 2 * c);
  return tokens * (all_blocks + largest * (config.run.recompute ? 2 : 1) + head) +
         ops::cross_entropy_logits_bytes(tokens, spec.vocab_size);
}

int64_t saturating_product(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}

int64_t saturating_sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

// Steps from one checkpoint to the next; 0 where the one at the end is all, or the end not known.
int64_t checkpoint_interval(const RunConfig& run, int64_t total_steps) {
  if (run.checkpoint_every != 0) return std::max<int64_t>(0, run.checkpoint_every);
  return automatic_interval(total_steps);
}

// The newest ones that are there at the same time, but for the one being written.
int64_t newest_checkpoints(const RunConfig& run, int64_t total_steps) {
  if (run.checkpoint_every < 0) return 1;
  if (total_steps == 0) return run.keep_last;
  const int64_t written = total_steps / checkpoint_interval(run, total_steps) + 1;
  return std::min(run.keep_last, written);
}

// Those that stay for ever: at steps that are multiples of keep_every and of the interval.
int64_t kept_checkpoints(const RunConfig& run, int64_t total_steps) {
  const int64_t interval = checkpoint_interval(run, total_steps);
  if (run.keep_every == 0 || interval == 0) return 0;
  const int64_t factor = interval / std::gcd(interval, run.keep_every);
  return total_steps / saturating_product(factor, run.keep_every);
}

std::string gib(int64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / static_cast<double>(1 << 30));
}

}  // namespace

MemoryPlan plan_memory(const model::ModelSpec& spec, const TrainConfig& config) {
  const DType compute = config.run.precision == "f32" ? DType::f32 : DType::bf16;
  MemoryPlan plan;
  for (const model::ParameterSpec& parameter : model::parameter_list(spec)) {
    const int64_t elements = parameter.shape.elements();
    const DType type = model::compute_type(parameter.kind, compute);
    plan.weights += elements * dtype_size(type);
    plan.gradients += elements * 4;
    plan.optimizer += elements * (type == DType::f32 ? 8 : 12);
    plan.snapshot += elements * 12;
  }
  plan.activations = activation_bytes(spec, config, dtype_size(compute));
  return plan;
}

DiskPlan plan_disk(const model::ModelSpec& spec, const TrainConfig& config, int64_t total_steps) {
  const int64_t parameters = model::cost(spec).total_parameters;
  DiskPlan plan;
  plan.checkpoint = parameters * (config.run.checkpoint_dtype == "f32" ? 4 + 8 : 2 + 12);
  plan.num_checkpoints =
      newest_checkpoints(config.run, total_steps) + 1 + kept_checkpoints(config.run, total_steps);
  // A line of metrics and its events for each step, one of router loads every log_every.
  constexpr int64_t kBytesPerStep = 700;
  int64_t loads = 0;
  for (const model::BlockSpec& block : spec.blocks) {
    if (const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward)) {
      loads += 200 + 8 * moe->router.num_experts;
    }
  }
  plan.logs = saturating_sum(
      saturating_product(total_steps, kBytesPerStep + loads / config.run.log_every), 8 << 20);
  return plan;
}

int64_t DiskPlan::required() const {
  return saturating_sum(saturating_product(checkpoint, num_checkpoints), logs);
}

void check_memory(const MemoryPlan& plan, int64_t available_bytes) {
  if (plan.required() <= available_bytes) return;
  fail(ErrorKind::exhausted,
       "training needs about {} of memory (weights {}, gradients {}, optimiser {}, activations "
       "{}), but {} are available; a smaller data.micro_batch with more data.accumulation, or "
       "run.recompute, makes activations smaller",
       gib(plan.required()), gib(plan.weights), gib(plan.gradients), gib(plan.optimizer),
       gib(plan.activations), gib(available_bytes));
}

void check_disk(const DiskPlan& plan, int64_t present_bytes, const std::string& folder,
                int64_t free_bytes) {
  const int64_t missing = std::max(plan.required() - present_bytes, plan.checkpoint);
  if (missing <= free_bytes) return;
  fail(ErrorKind::exhausted,
       "{}: training needs about {} of disk ({} checkpoints of {}, logs {}), {} of it beside what "
       "is there, but {} are free; run.keep_last and run.keep_every decide how many checkpoints "
       "stay",
       folder, gib(plan.required()), plan.num_checkpoints, gib(plan.checkpoint), gib(plan.logs),
       gib(missing), gib(free_bytes));
}

}  // namespace cadre::train
