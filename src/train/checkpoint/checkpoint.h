// One checkpoint: a folder that transformers loads as a model and from which training goes on bit
// for bit.
//
//   config.json, generation_config.json, tokenizer files, model*.safetensors    the model
//   optimizer.safetensors    for each parameter NAME: "NAME/m", "NAME/v", and "NAME/master" if the
//                            weights above are not the f32 masters themselves
//   trainer_state.json       steps, tokens, windows (state.h)
//   checksums.json           bytes and XXH3 of every other file
//
// Everything is keyed by logical parameter, so nothing depends on threads or processes. A folder is
// written under a temporary name, every file synced, and renamed at last: under its own name it is
// complete or it does not exist.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/ops/context.h"
#include "model/spec.h"
#include "train/checkpoint/state.h"
#include "train/optim/adamw.h"

namespace cadre::train {

// One f32 tensor for each parameter, in order.
struct StateTensors {
  std::vector<std::string> names;
  std::vector<Tensor> masters, m, v;
};

// Handles to the optimiser's own memory.
StateTensors live_tensors(const AdamW& optimizer);
// Uninitialised memory of the same shapes, and its size in bytes.
StateTensors empty_tensors(Context& ctx, const AdamW& optimizer);
int64_t snapshot_bytes(const AdamW& optimizer);
void copy_tensors(Context& ctx, const StateTensors& from, const StateTensors& to);

struct CheckpointOptions {
  DType dtype = DType::f32;                // of the model's weights: f32 or bf16
  std::filesystem::path tokenizer_folder;  // whose tokenizer files are copied; empty for none
  // The text of generation_config.json; if it is empty, the one that follows from the spec stays.
  std::string generation_config;
};

// Writes the folder `path`, which must not exist. `ctx` only converts: the calling thread's.
// Throws Error(exhausted) if the disk is full, having removed what it wrote.
void write_checkpoint(Context& ctx, const std::filesystem::path& path, const model::ModelSpec& spec,
                      const StateTensors& tensors, const RunState& state,
                      const CheckpointOptions& options);

// What is wrong with the folder: a missing file, one of another size or checksum, an unreadable
// manifest. Empty if it is good. Reads every byte.
std::optional<std::string> find_damage(const std::filesystem::path& path);

// trainer_state.json alone. Throws Error(corrupt_data), naming file and key.
RunState read_run_state(const std::filesystem::path& path);

// Restores weights and moments; returns the rest. Throws Error(corrupt_data) or, if the checkpoint
// is of another model, Error(invalid_input).
RunState load_checkpoint(Context& ctx, const std::filesystem::path& path,
                         const model::ModelSpec& spec, AdamW& optimizer);

}  // namespace cadre::train
