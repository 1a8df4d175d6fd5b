// A dataset that `cadre data` wrote, as training sees it.
#pragma once

#include <filesystem>
#include <memory>

#include "data/loader.h"
#include "train/pretrain/batch.h"
#include "train/pretrain/config.h"
#include "train/pretrain/run.h"

namespace cadre::train {

class Dataset : public BatchSource {
 public:
  // Opens config.data.dataset and verifies every shard. Throws the errors of data::PackedLoader,
  // and Error(invalid_input) for weights that are not NAME=NUMBER.
  explicit Dataset(const TrainConfig& config);

  MicroBatch training_batch(int64_t index) const override;
  std::vector<std::string> sources() const override;
  int64_t num_validation_batches(int64_t source) const override;
  MicroBatch validation_batch(int64_t source, int64_t index) const override;
  std::string fingerprint() const override;

  const data::PackedLoader& loader() const { return loader_; }
  // An environment with this data, its vocabulary and its tokenizer; the dataset must outlive it.
  RunEnvironment environment() const;

 private:
  std::filesystem::path folder_;
  data::PackedLoader loader_;
};

// "prose=2" -> {"prose", 2}. Throws Error(invalid_input).
std::vector<std::pair<std::string, double>> parse_weights(const std::vector<std::string>& weights);

}  // namespace cadre::train
