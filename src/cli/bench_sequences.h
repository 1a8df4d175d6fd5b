// The model of `cadre bench MODEL` and the sequences that it reads and continues.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/model_input.h"
#include "cli/runtime.h"
#include "infer/pass.h"
#include "model/expert_cache.h"
#include "model/pass_cost.h"

namespace cadre::cli {

struct BenchModelOptions {
  std::string model;
  std::string random;
  std::vector<int64_t> prompts = {512};
  std::vector<int64_t> texts = {128};
  std::vector<int64_t> batches = {1};
  std::vector<int64_t> depths = {0};
  int64_t repetitions = 5;
  int64_t chunk = 512;
  std::string cache_type = "auto";
  ModelOptions load;
  bool json = false;
  RuntimeOptions runtime;
};

struct BenchPass {
  double seconds;
  model::PassCost cost;
};

// Belongs to one thread; the context must outlive it.
class BenchSequences {
 public:
  // Loads the model, or makes it, and reserves a cache for the largest test.
  BenchSequences(Context& ctx, const BenchModelOptions& options);

  std::string name() const { return model_.decoder->spec().architecture; }
  int64_t num_parameters() const;
  int64_t weight_bytes() const { return model_.parameters->bytes(); }
  // Null if all experts are in memory.
  model::ExpertCache* experts() const { return model_.experts.get(); }

  // Each of `batch` sequences has read `depth` random tokens: those that are there already, or else
  // others, behind a progress bar.
  void reset(int64_t batch, int64_t depth);
  // `count` more tokens for each sequence in one pass, and the logits behind the last of each.
  BenchPass pass(int64_t count);

 private:
  // Goes back to `depth` tokens in each sequence if there are `batch` of them; returns how many are
  // left, or were there. 0: they have to begin anew.
  int64_t take_back(int64_t batch, int64_t depth);

  Context& ctx_;
  int64_t chunk_;
  model::LoadedModel model_;
  std::unique_ptr<infer::PagedCache> cache_;
  std::unique_ptr<infer::Pass> pass_;
  std::vector<infer::CacheSequence> sequences_;
  std::vector<std::vector<int32_t>> texts_;  // the tokens of each
  uint64_t next_token_ = 0;
};

}  // namespace cadre::cli
