#include "train/pretrain/trainer.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/base/random.h"
#include "model/hf.h"

namespace cadre::train {
namespace {

// The streams of seeds for dropout and for routers; others with the same seed are initialisation
// and data order.
constexpr uint64_t kDropoutStream = 0x64726f706f7574;
constexpr uint64_t kRouterStream = 0x726f75746572;

int64_t count_targets(const MicroBatch& batch) {
  int64_t count = 0;
  for (const int32_t target : batch.targets) count += target >= 0 ? 1 : 0;
  return count;
}

// The rows of a micro-batch, end to end.
ops::AttentionSegments row_segments(int64_t tokens, int64_t length) {
  auto rows = std::make_shared<std::vector<ops::AttentionSegment>>();
  for (int64_t begin = 0; begin < tokens; begin += length) {
    const int64_t count = std::min(length, tokens - begin);
    rows->push_back({begin, count, begin, count});
  }
  return rows;
}

double sum_losses(const std::vector<float>& losses) {
  double sum = 0.0;
  for (const float loss : losses) sum += static_cast<double>(loss);
  return sum;
}

}  // namespace

Trainer::Trainer(Context& ctx, model::ModelSpec spec, const TrainConfig& config)
    : config_(config),
      router_losses_(router_loss_options(config, spec)),
      parameters_(std::make_shared<model::Parameters>(
          ctx, spec, config.run.precision == "f32" ? DType::f32 : DType::bf16)),
      decoder_(std::make_shared<model::Decoder>(std::move(spec), parameters_)),
      optimizer_(ctx, parameters_, config.optim.adamw),
      gradients_(ctx, parameters_),
      outliers_(config.optim.skip_window, config.optim.skip_sigmas),
      routers_(decoder_->spec()),
      selection_bias_(parameters_, decoder_->spec().num_layers(),
                      bias_update_rate(config.router, decoder_->spec())) {}

void Trainer::initialise_parameter(Context& ctx, int64_t index) {
  model::initialise(ctx, spec(), parameters_->specs()[static_cast<size_t>(index)],
                    static_cast<uint64_t>(config_.run.seed), optimizer_.master(index));
}

void Trainer::initialise(Context& ctx) {
  for (int64_t i = 0; i < parameters_->size(); ++i) {
    initialise_parameter(ctx, i);
  }
  optimizer_.publish(ctx);
}

void Trainer::load(Context& ctx, const std::filesystem::path& folder) {
  const model::ModelSpec stored = model::read_spec(folder);
  const std::vector<model::ParameterSpec> theirs = model::parameter_list(stored);
  std::vector<bool> loaded(static_cast<size_t>(parameters_->size()), false);
  model::load_tensors(ctx, folder, stored, [&](int64_t i) {
    const model::ParameterSpec& parameter = theirs[static_cast<size_t>(i)];
    if (parameters_->contains(parameter.name)) {
      const int64_t ours = parameters_->index_of(parameter.name);
      if (parameters_->specs()[static_cast<size_t>(ours)].shape == parameter.shape) {
        loaded[static_cast<size_t>(ours)] = true;
        return optimizer_.master(ours);
      }
    }
    return ctx.empty(parameter.shape, DType::f32);  // of a router that is replaced
  });
  for (int64_t i = 0; i < parameters_->size(); ++i) {
    if (!loaded[static_cast<size_t>(i)]) initialise_parameter(ctx, i);
  }
  optimizer_.publish(ctx);
}

nn::ForwardInput Trainer::forward_input(const MicroBatch& batch) const {
  CADRE_CHECK(batch.tokens.size() == batch.targets.size());
  nn::ForwardInput input = model::packed_input(batch.tokens, batch.starts);
  if (!config_.data.filter_masking) {
    input.filter_segments =
        row_segments(static_cast<int64_t>(batch.tokens.size()), config_.data.sequence_length);
  }
  input.sequence_length = config_.data.sequence_length;
  return input;
}

StepResult Trainer::step(Context& ctx, std::span<const MicroBatch> batches, int64_t step,
                         double learning_rate) {
  StepResult result;
  for (const MicroBatch& batch : batches) result.num_targets += count_targets(batch);
  if (result.num_targets == 0) {
    fail(ErrorKind::invalid_input, "step {}: the batch has no target tokens", step);
  }
  const auto weight = static_cast<float>(1.0 / static_cast<double>(result.num_targets));
  const double share = 1.0 / static_cast<double>(batches.size());
  const RandomStream dropout_seeds(static_cast<uint64_t>(config_.run.seed), kDropoutStream);
  const RandomStream router_seeds(static_cast<uint64_t>(config_.run.seed), kRouterStream);
  int64_t assignments = 0;
  int64_t dropped = 0;
  double loss_sum = 0.0;
  for (size_t i = 0; i < batches.size(); ++i) {
    const MicroBatch& batch = batches[i];
    Tape tape;
    gradients_.watch(tape, /*fresh=*/i == 0);
    const Context::TapeScope scope(ctx, &tape);
    nn::ForwardInput input = forward_input(batch);
    input.recompute = config_.run.recompute;
    input.dropout = static_cast<float>(config_.run.dropout);
    const uint64_t number = static_cast<uint64_t>(step) * batches.size() + static_cast<uint64_t>(i);
    input.dropout_seed = dropout_seeds.at(number);
    input.router_seed = router_seeds.at(number);
    nn::ForwardTrace trace;
    const Tensor hidden = decoder_->hidden(ctx, input, &trace);
    const std::vector<float> weights(batch.targets.size(), weight);
    const ops::CrossEntropyResult loss = decoder_->loss(ctx, hidden, batch.targets, weights);
    loss_sum += sum_losses(loss.token_losses);
    const model::RouterLosses routers =
        model::apply_router_losses(spec(), router_losses_, share, trace);
    result.load_balancing += share * routers.load_balancing;
    result.z += share * routers.z;
    result.importance += share * routers.importance;
    result.load += share * routers.load;
    routers_.add(trace);
    selection_bias_.add(trace);
    for (const nn::RouterTrace& router : trace.routers) {
      for (const int64_t count : router.statistics.counts) assignments += count;
      dropped += router.statistics.dropped;
    }
    Tensor seed = ctx.empty({1}, DType::f32);
    *seed.data<float>() = 1.0f;
    tape.backward(ctx, loss.loss, seed);
    tape.finish_leaves(ctx);
  }
  result.loss = loss_sum / static_cast<double>(result.num_targets);
  if (dropped > 0) {
    result.dropped_share = static_cast<double>(dropped) / static_cast<double>(assignments);
  }
  result.gradient_norm = gradients_.norm(ctx);
  result.skipped = outliers_.is_outlier(result.loss, result.gradient_norm);
  if (!result.skipped) {
    optimizer_.step(ctx, gradients_, learning_rate,
                    clipping_factor(result.gradient_norm, config_.optim.adamw.max_gradient_norm));
  }
  selection_bias_.step(/*taken=*/!result.skipped);
  return result;
}

Evaluation Trainer::evaluate(Context& ctx, const MicroBatch& batch, RouterMonitor* monitor) const {
  const Context::TapeScope scope(ctx, nullptr);
  nn::ForwardTrace trace;
  const Tensor hidden =
      decoder_->hidden(ctx, forward_input(batch), monitor != nullptr ? &trace : nullptr);
  const std::vector<float> weights(batch.targets.size(), 1.0f);
  const ops::CrossEntropyResult loss = decoder_->loss(ctx, hidden, batch.targets, weights);
  if (monitor != nullptr) monitor->add(trace);
  return {sum_losses(loss.token_losses), count_targets(batch)};
}

}  // namespace cadre::train
