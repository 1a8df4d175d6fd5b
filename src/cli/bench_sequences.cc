#include "cli/bench_sequences.h"

#include <algorithm>
#include <chrono>

#include "cli/progress.h"
#include "core/base/random.h"
#include "core/ops/attention.h"
#include "model/cost.h"

namespace cadre::cli {
namespace {

model::LoadedModel make_model(Context& ctx, const BenchModelOptions& options) {
  if (options.model.empty() == options.random.empty()) {
    fail(ErrorKind::invalid_input, "bench: expected either a model or --random CONFIG");
  }
  if (!options.random.empty()) {
    if (options.load.memory > 0) {
      fail(ErrorKind::invalid_input, "bench: --memory needs a stored model to read from");
    }
    const model::ModelSpec spec = model::read_spec(options.random);
    model::LoadOptions load;
    model::set_weight_format(options.load.weights, load);
    if (options.load.dtype != "auto") load.compute = *dtype_from_name(options.load.dtype);
    load.routing.active_experts = options.load.active_experts;
    load.routing.threshold = options.load.expert_threshold;
    return model::random_model(ctx, spec, load, /*seed=*/1);
  }
  const std::filesystem::path place = find_model(options.model);
  return load_model(ctx, place, model::read_spec(place), options.load);
}

}  // namespace

BenchSequences::BenchSequences(Context& ctx, const BenchModelOptions& options)
    : ctx_(ctx), chunk_(options.chunk), model_(make_model(ctx, options)) {
  // Tests of no tokens are left out. A text goes on from something, a prompt need not.
  const auto longest = [&](const std::vector<int64_t>& tests, int64_t least_depth) {
    const int64_t depth = std::max(least_depth, std::ranges::max(options.depths));
    const int64_t tokens = std::ranges::max(tests);
    return tokens > 0 ? depth + tokens : 0;
  };
  const int64_t prompt = longest(options.prompts, 0);
  const int64_t text = longest(options.texts, 1);
  const int64_t batch = std::ranges::max(options.batches);
  const int64_t context = model_.decoder->spec().max_positions;
  if (prompt == 0 && text == 0) {
    fail(ErrorKind::invalid_input, "bench: -p 0 and -n 0 leave nothing to measure");
  }
  if (std::max(prompt, text) > context) {
    fail(ErrorKind::invalid_input,
         "bench: -d and {} together are {} tokens, the model's context holds {}",
         prompt > text ? "-p" : "-n", std::max(prompt, text), context);
  }
  // Each sequence wastes up to a page.
  const int64_t tokens = std::max(prompt, batch * (text + ops::kAttentionTile)) + chunk_;
  cache_ = std::make_unique<infer::PagedCache>(
      model_.decoder->spec(), model_.parameters->compute(),
      infer::CacheOptions{
          .num_tokens = tokens,
          .max_sequences = batch,
          .step_tokens = std::max(chunk_, batch),
          .type = options.cache_type == "int8" ? infer::CacheType::int8 : infer::CacheType::compute,
          .share_prefixes = false});
  pass_ = std::make_unique<infer::Pass>(*cache_);
}

int64_t BenchSequences::num_parameters() const {
  return model::cost(model_.decoder->spec()).total_parameters;
}

int64_t BenchSequences::take_back(int64_t batch, int64_t depth) {
  if (static_cast<int64_t>(sequences_.size()) != batch) return 0;
  int64_t most = 0;
  int64_t least = depth;
  for (size_t s = 0; s < sequences_.size(); ++s) {
    infer::CacheSequence& sequence = sequences_[s];
    const int64_t left = cache_->truncate(sequence, std::min(depth, sequence.length));
    texts_[s].resize(static_cast<size_t>(left));
    most = std::max(most, left);
    least = std::min(least, left);
  }
  return most == least ? least : 0;
}

void BenchSequences::reset(int64_t batch, int64_t depth) {
  int64_t done = take_back(batch, depth);
  if (done == 0) {
    for (infer::CacheSequence& sequence : sequences_) cache_->abandon(sequence);
    sequences_.clear();
    texts_.assign(static_cast<size_t>(batch), {});
    for (int64_t i = 0; i < batch; ++i) sequences_.push_back(cache_->make_sequence());
  }
  if (done == depth) return;
  ProgressBar bar("reading", "tokens", batch * (depth - done));
  bar.stops_on_signals();
  const int64_t begin = done;
  const int64_t chunk = std::max<int64_t>(1, chunk_ / batch);
  for (; done < depth; done += std::min(chunk, depth - done)) {
    pass(std::min(chunk, depth - done));
    bar.update(batch * (done - begin));
  }
  bar.finish();
}

BenchPass BenchSequences::pass(int64_t count) {
  const model::ModelSpec& spec = model_.decoder->spec();
  const RandomStream random(7);
  std::vector<int64_t> rows;  // the last of each
  std::vector<model::PassSequence> work;
  const auto start = std::chrono::steady_clock::now();
  pass_->clear();
  for (size_t s = 0; s < sequences_.size(); ++s) {
    infer::CacheSequence& sequence = sequences_[s];
    std::vector<int32_t>& text = texts_[s];
    work.push_back({count, sequence.length});
    for (int64_t i = 0; i < count; ++i) {
      const double draw = random.uniform_f64_at(next_token_++);
      text.push_back(static_cast<int32_t>(draw * static_cast<double>(spec.vocab_size)));
    }
    cache_->reserve(ctx_, sequence, count);
    pass_->add(sequence, std::span<const int32_t>(text).last(static_cast<size_t>(count)));
    rows.push_back(pass_->num_rows() - 1);
  }
  nn::ForwardTrace trace;
  const Tensor hidden = pass_->hidden(ctx_, *model_.decoder, &trace);
  infer::logits_of_rows(ctx_, *model_.decoder, hidden, rows);
  for (size_t s = 0; s < sequences_.size(); ++s) {
    cache_->commit(sequences_[s], texts_[s]);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return {elapsed.count(), model::pass_cost(spec, *model_.parameters, work,
                                            static_cast<int64_t>(sequences_.size()), &trace)};
}

}  // namespace cadre::cli
