#include "cli/bench_sequences.h"

#include <algorithm>
#include <chrono>

#include "core/base/random.h"
#include "model/cost.h"

namespace cadre::cli {
namespace {

model::LoadedModel make_model(Context& ctx, const BenchModelOptions& options) {
  if (options.model.empty() == options.random.empty()) {
    fail(ErrorKind::invalid_input, "bench: expected either a model or --random CONFIG");
  }
  if (!options.random.empty()) {
    const model::ModelSpec spec = model::read_spec(options.random);
    model::LoadOptions load;
    model::set_weight_format(options.load.weights, load);
    if (options.load.dtype != "auto") load.compute = *dtype_from_name(options.load.dtype);
    return model::random_model(ctx, spec, load, /*seed=*/1);
  }
  const std::filesystem::path place = find_model(options.model);
  return load_model(ctx, place, model::read_spec(place), options.load);
}

}  // namespace

BenchSequences::BenchSequences(Context& ctx, const BenchModelOptions& options)
    : ctx_(ctx), chunk_(options.chunk), model_(make_model(ctx, options)) {
  const int64_t longest =
      std::max(std::ranges::max(options.prompts), std::ranges::max(options.texts)) +
      std::max<int64_t>(1, std::ranges::max(options.depths));
  const int64_t context = model_.decoder->spec().max_positions;
  if (longest > context) {
    fail(ErrorKind::invalid_input, "bench: sequences of {} tokens, the model's context holds {}",
         longest, context);
  }
}

int64_t BenchSequences::num_parameters() const {
  return model::cost(model_.decoder->spec()).total_parameters;
}

void BenchSequences::reset(int64_t batch, int64_t depth) {
  const model::ModelSpec& spec = model_.decoder->spec();
  step_.reset();
  cache_ = std::make_unique<infer::PagedCache>(
      spec, model_.parameters->compute(),
      infer::CacheOptions{.num_tokens = batch * (spec.max_positions + ops::kAttentionTile),
                          .max_sequences = batch,
                          .step_tokens = chunk_,
                          .share_prefixes = false});
  step_ = std::make_unique<infer::CacheStep>(*cache_);
  sequences_.clear();
  for (int64_t i = 0; i < batch; ++i) sequences_.push_back(cache_->make_sequence());
  texts_.assign(static_cast<size_t>(batch), {});
  for (int64_t done = 0; done < depth; done += chunk_) pass(std::min(chunk_, depth - done));
}

BenchPass BenchSequences::pass(int64_t count) {
  const model::ModelSpec& spec = model_.decoder->spec();
  const RandomStream random(7);
  auto tokens = std::make_shared<std::vector<int32_t>>();
  auto positions = std::make_shared<std::vector<int32_t>>();
  std::vector<model::PassSequence> read;
  for (size_t s = 0; s < sequences_.size(); ++s) {
    const int64_t depth = sequences_[s].length;
    read.push_back({count, depth});
    for (int64_t i = 0; i < count; ++i) {
      const double draw = random.uniform_f64_at(next_token_++);
      tokens->push_back(static_cast<int32_t>(draw * static_cast<double>(spec.vocab_size)));
      positions->push_back(static_cast<int32_t>(depth + i));
      texts_[s].push_back(tokens->back());
    }
  }
  nn::ForwardInput input;
  input.tokens = std::move(tokens);
  input.positions = std::move(positions);
  input.store = step_.get();
  nn::ForwardTrace trace;
  const auto start = std::chrono::steady_clock::now();
  step_->clear();
  for (infer::CacheSequence& sequence : sequences_) {
    cache_->reserve(ctx_, sequence, count);
    step_->add(sequence, count);
  }
  const Tensor hidden = model_.decoder->hidden(ctx_, input, &trace);
  const auto batch = std::ssize(sequences_);
  const Tensor last = ctx_.empty({batch, hidden.dim(1)}, hidden.dtype());
  for (int64_t s = 0; s < batch; ++s) infer::copy_row(hidden, (s + 1) * count - 1, last, s);
  model_.decoder->logits(ctx_, last);
  for (size_t s = 0; s < sequences_.size(); ++s) cache_->commit(sequences_[s], texts_[s]);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return {elapsed.count(), model::pass_cost(spec, *model_.parameters, read, batch, &trace)};
}

}  // namespace cadre::cli
