#include "train/pretrain/run_start.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/available_memory.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "model/hf.h"
#include "train/checkpoint/checkpoint.h"
#include "train/pretrain/plan.h"

namespace cadre::train {
namespace {

int64_t bounded(uint64_t bytes) {
  return static_cast<int64_t>(std::min<uint64_t>(bytes, INT64_MAX));
}

// The configuration of a stored model, which must do for the data.
model::ModelSpec read_stored(const std::string& place, const TrainConfig& config,
                             const RunEnvironment& environment) {
  model::ModelSpec spec = model::read_spec(place);
  if (spec.vocab_size < environment.vocab_size) {
    fail(ErrorKind::invalid_input, "{}: vocab_size = {}, but the data has {} tokens", place,
         spec.vocab_size, environment.vocab_size);
  }
  if (spec.max_positions < config.data.sequence_length) {
    fail(ErrorKind::invalid_input,
         "{}: max_position_embeddings = {}, expected at least data.sequence_length = {}", place,
         spec.max_positions, config.data.sequence_length);
  }
  return spec;
}

RunStart new_start(const TrainConfig& config, const RunEnvironment& environment) {
  RunStart start;
  start.config = config;
  const std::string& source = config.model.init_from;
  if (source.empty()) {
    start.spec = build_spec(config, environment.vocab_size, environment.eos_token_id,
                            environment.pad_token_id);
  } else {
    start.spec = read_stored(source, config, environment);
    apply_router(config.router, start.spec);
    start.generation_config = model::read_generation_config(source);
  }
  start.config.loss.load_balancing = load_balancing_of(config, start.spec);
  return start;
}

// A checkpoint names the form of its loss; one of before that has what "auto" stood for then.
void keep_loss(const CheckpointEntry& checkpoint, RunStart& start) {
  std::string& form = start.config.loss.load_balancing;
  if (form != "auto") return;
  form = read_run_state(checkpoint.path).load_balancing;
  if (!form.empty()) return;
  form = load_balancing_of_kind(start.config.router.kind);
}

RunStart start_from(const CheckpointEntry& checkpoint, const TrainConfig& config,
                    const RunEnvironment& environment) {
  RunStart start;
  start.config = config;
  start.checkpoint = checkpoint;
  keep_loss(checkpoint, start);
  if (config.model.init_from.empty()) {
    start.spec = build_spec(start.config, environment.vocab_size, environment.eos_token_id,
                            environment.pad_token_id);
  } else {
    start.spec = read_stored(checkpoint.path.string(), config, environment);
    start.generation_config = model::read_generation_config(checkpoint.path);
  }
  const std::string& form = start.config.loss.load_balancing;
  const std::string now = load_balancing_of(config, start.spec);
  if (form != now) {
    start.notes.push_back(fmt::format(
        "loss.load_balancing = \"auto\" of this run stays what it was when it began, \"{}\"; a new "
        "run would take \"{}\"",
        form, now));
  }
  return start;
}

}  // namespace

void check_new_run(const TrainConfig& config, const RunEnvironment& environment) {
  const RunStart start = new_start(config, environment);
  router_loss_options(config, start.spec);
  check_memory_left(start.spec, config);
  check_disk_left(start.spec, config, config.run.minutes > 0.0 ? 0 : config.run.steps, 0);
}

RunStart find_start(const TrainConfig& config, const RunEnvironment& environment,
                    const RunFolder& folder) {
  if (!environment.resume) return new_start(config, environment);
  const FoundCheckpoint found = find_newest_good(folder);
  if (!found.checkpoint) {
    if (found.damaged.empty()) return new_start(config, environment);
    fail(ErrorKind::corrupt_data,
         "{}: no checkpoint is whole, and nothing is begun over what is left; {}",
         config.run.folder, found.damaged.front());
  }
  RunStart start = start_from(*found.checkpoint, config, environment);
  start.notes.insert(start.notes.begin(), found.damaged.begin(), found.damaged.end());
  return start;
}

void check_memory_left(const model::ModelSpec& spec, const TrainConfig& config) {
  check_memory(plan_memory(spec, config), bounded(available_memory_bytes()));
}

void check_disk_left(const model::ModelSpec& spec, const TrainConfig& config, int64_t total_steps,
                     int64_t present_bytes) {
  check_disk(plan_disk(spec, config, total_steps), present_bytes, config.run.folder,
             bounded(free_disk_bytes(config.run.folder)));
}

}  // namespace cadre::train
