// Watches the routers of all layers over many micro-batches: how evenly experts are loaded, and
// which have died.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/nn/forward.h"
#include "model/spec.h"
#include "train/observer.h"

namespace cadre::train {

// Sums since the last report, part of a checkpoint so that a resumed run reports the same.
struct RouterSums {
  int64_t layer = 0;  // of the model
  int64_t num_tokens = 0;
  std::vector<int64_t> counts;
  double entropy_sum = 0.0;
  double squared_lse_sum = 0.0;
  int64_t dropped = 0;          // assignments
  int64_t unrouted = 0;         // tokens
  int64_t dead_warned = 0;      // the number of dead experts that was last warned of
  int64_t healthy_reports = 0;  // in a row without a dead expert
};

// Belongs to one thread.
class RouterMonitor {
 public:
  explicit RouterMonitor(const model::ModelSpec& spec);

  void add(const nn::ForwardTrace& trace);

  // The loads since the last call, and a warning for each layer in which more experts are dead than
  // was warned of before, which is forgotten after ten reports without any. An expert is dead if
  // its load is below a hundredth of the mean.
  RouterReport report(int64_t step, std::vector<std::string>& warnings);

  const std::vector<RouterSums>& sums() const { return layers_; }
  // Throws Error(corrupt_data) if the sums are of another model.
  void restore(std::vector<RouterSums> sums);

  // The counts so far, for each sparse layer.
  std::vector<std::vector<int64_t>> counts() const;

 private:
  std::vector<RouterSums> layers_;  // sparse layers only
};

// The load of one layer from its sums.
LayerLoad layer_load(const RouterSums& sums);

}  // namespace cadre::train
