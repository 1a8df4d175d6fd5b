// What a training run is at one step, apart from the tensors: trainer_state.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/io/json.h"
#include "train/pretrain/router_monitor.h"

namespace cadre::train {

struct RunState {
  int64_t step = 0;             // steps done: the number of the next one
  int64_t total_steps = 0;      // 0 while it is not decided
  int64_t tokens = 0;           // trained on so far
  int64_t optimizer_steps = 0;  // without the skipped ones
  int64_t skipped_in_all = 0;
  int64_t skipped_in_a_row = 0;
  std::string data_fingerprint;  // of the data that it learns from
  std::string kernels;           // table of the last step; other tables round otherwise
  std::string load_balancing;    // form of the loss; "" in checkpoints of before it was named
  double seconds = 0.0;          // spent so far, over all resumptions
  std::vector<double> losses, gradient_norms;  // of the outlier detector
  std::vector<RouterSums> routers;
};

std::string to_json_text(const RunState& state);
// Throws Error(corrupt_data), naming file and key.
RunState run_state_from_json(const io::JsonView& json);

}  // namespace cadre::train
