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
  CADRE_CHECK(batch == 1);
  const model::ModelSpec& spec = model_.decoder->spec();
  cache_ = std::make_unique<infer::KvCache>(spec, model_.parameters->compute(), spec.max_positions);
  for (int64_t done = 0; done < depth; done += chunk_) pass(std::min(chunk_, depth - done));
}

BenchPass BenchSequences::pass(int64_t count) {
  const model::ModelSpec& spec = model_.decoder->spec();
  const RandomStream random(7);
  auto tokens = std::make_shared<std::vector<int32_t>>();
  auto positions = std::make_shared<std::vector<int32_t>>();
  const int64_t depth = cache_->length();
  for (int64_t i = 0; i < count; ++i) {
    const double draw = random.uniform_f64_at(next_token_++);
    tokens->push_back(static_cast<int32_t>(draw * static_cast<double>(spec.vocab_size)));
    positions->push_back(static_cast<int32_t>(depth + i));
  }
  nn::ForwardInput input;
  input.tokens = std::move(tokens);
  input.positions = std::move(positions);
  input.store = cache_.get();
  nn::ForwardTrace trace;
  const auto start = std::chrono::steady_clock::now();
  cache_->begin_step(count);
  const Tensor hidden = model_.decoder->hidden(ctx_, input, &trace);
  cache_->end_step();
  model_.decoder->logits(ctx_, hidden.slice(count - 1, count));
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const model::PassSequence sequence = {count, depth};
  return {elapsed.count(), model::pass_cost(spec, *model_.parameters, {&sequence, 1}, 1, &trace)};
}

}  // namespace cadre::cli
