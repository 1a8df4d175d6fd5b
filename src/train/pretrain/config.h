// All that decides a training run, in the sections of its TOML file: [model], [router], [data],
// [optim], [loss], [run]. Two runs with the same configuration, data and program have the same
// weights, bit for bit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/fields.h"
#include "model/router_loss.h"
#include "model/spec.h"
#include "train/optim/adamw.h"
#include "train/optim/schedule.h"
#include "train/pretrain/router_config.h"

namespace cadre::train {

// A model of a family to be initialised, or `init_from`, a model to go on from, which then decides
// the shape. What the family has and no field speaks of (biases, shared experts, dense first
// layers) is as published, in proportion to the sizes given here.
struct ModelConfig {
  std::string init_from;
  std::string family = "olmoe";
  int64_t hidden_size = 256;
  int64_t num_layers = 6;
  int64_t num_heads = 4;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t num_experts = 16;
  int64_t top_k = 4;
  int64_t expert_size = 128;
  int64_t shared_size = 0;
  int64_t intermediate_size = 0;
  bool renormalise = false;
  bool qk_norm = true;
  bool tied_embeddings = false;
  int64_t window = 0;
  double clip_qkv = 0.0;
  double rope_theta = 10000.0;
  double rms_norm_eps = 1e-5;
  double initializer_range = 0.02;
  double fan_in_scale = 0.0;
  int64_t max_positions = 0;

  void visit_fields(auto&& field) {
    const Interval size{1, 1 << 20};
    const Interval size_or_default{0, 1 << 30};
    field("init_from", init_from, "model or run folder to start from; empty initialises a model");
    field("family", family,
          "model_type of the architecture that is initialised: olmoe, mixtral, deepseek, ...");
    field("hidden_size", hidden_size, size, "D, width of the residual stream");
    field("num_layers", num_layers, size, "L, blocks");
    field("num_heads", num_heads, size, "H, attention heads");
    field("num_kv_heads", num_kv_heads, size_or_default, "key/value heads; 0 means num_heads");
    field("head_dim", head_dim, size_or_default,
          "width of a head; 0 means D / H, twice that in Yuan");
    const Interval experts{1, 1 << 16};
    field("num_experts", num_experts, experts, "E, experts in each layer");
    field("top_k", top_k, experts, "k, experts for each token");
    field("expert_size", expert_size, size, "F, inner width of an expert");
    field("shared_size", shared_size, size_or_default,
          "inner width of the shared expert; 0 means in the proportion that the family has");
    field("intermediate_size", intermediate_size, size_or_default,
          "inner width of dense layers; 0 means 8/3 D, rounded up to a multiple of 64");
    field("renormalise", renormalise,
          "rescale the weights of the chosen experts to sum to one, as some families always do");
    field("qk_norm", qk_norm,
          "normalise queries and keys where the family does; an olmoe without is a mixtral");
    field("window", window, size_or_default, "keys that a query sees; 0 means all");
    field("clip_qkv", clip_qkv, Interval{0.0, 1e6},
          "bound of queries, keys and values, where the family has one; 0 means none");
    field("tied_embeddings", tied_embeddings, "use the embedding as the head");
    field("rope_theta", rope_theta, Interval{1.0, 1e12}, "base of the rotary positions");
    field("rms_norm_eps", rms_norm_eps, Interval{0.0, 0.1}, "added to the mean square");
    field("initializer_range", initializer_range, Interval{0.0, 1.0},
          "standard deviation of initial weights, cut at three of them");
    field("fan_in_scale", fan_in_scale, Interval{0.0, 100.0},
          "s of initial deviations sqrt(s / inputs), as in Switch (0.1); 0 is off");
    field("max_positions", max_positions, size_or_default,
          "longest sequence the model admits; 0 means data.sequence_length");
  }
};

struct DataConfig {
  std::string dataset;
  int64_t sequence_length = 512;
  int64_t micro_batch = 8;
  int64_t accumulation = 1;
  std::vector<std::string> weights;
  bool document_masking = true;
  bool filter_masking = true;
  int64_t validation_tokens = 65536;

  void visit_fields(auto&& field) {
    field("dataset", dataset, "folder that `cadre data` wrote");
    field("sequence_length", sequence_length, Interval{2, 1 << 24}, "T, tokens in a row");
    field("micro_batch", micro_batch, Interval{1, 1 << 20}, "rows in one forward pass");
    field("accumulation", accumulation, Interval{1, 1 << 20}, "micro-batches in one step");
    field("weights", weights, "weights of sources, NAME=WEIGHT; default: those of the dataset");
    field("document_masking", document_masking, "attention stays within documents");
    field("filter_masking", filter_masking,
          "local filters stay where attention stays; false lets them read over the start of a "
          "document, as Yuan's own training did");
    field("validation_tokens", validation_tokens, Interval{1, 1e12},
          "held-out tokens of each source that a validation reads, at most");
  }
};

struct OptimConfig {
  AdamWOptions adamw;
  ScheduleOptions schedule;
  int64_t skip_window = 128;
  double skip_sigmas = 6.0;
  int64_t max_skipped_in_a_row = 50;

  void visit_fields(auto&& field) {
    adamw.visit_fields(field);
    schedule.visit_fields(field);
    field("skip_window", skip_window, Interval{0, 1 << 20},
          "steps that tell what is an outlier; 0 skips only what is not finite");
    field("skip_sigmas", skip_sigmas, Interval{0.1, 1e6},
          "skip a step whose loss or gradient norm is so many deviations above the mean");
    field("max_skipped_in_a_row", max_skipped_in_a_row, Interval{1, 1e9},
          "give up after so many skipped steps in a row");
  }
};

struct LossConfig {
  std::string load_balancing = "auto";
  double load_balancing_weight = 0.01;
  double importance_weight = -1.0;
  double load_weight = -1.0;
  double z_weight = 0.001;
  bool z_divides_by_top_k = false;

  void visit_fields(auto&& field) {
    std::vector<std::string> losses = model::load_balancing_names();
    losses.insert(losses.begin(), "auto");
    field("load_balancing", load_balancing, Choices{losses},
          "form of the load-balancing loss; auto is that of the router, or of the family");
    field("load_balancing_weight", load_balancing_weight, Interval{0.0, 100.0}, "its coefficient");
    field("importance_weight", importance_weight, Interval{-1.0, 100.0},
          "of noisy top-k routers, coefficient of the importance loss; -1 is 0.1 for them");
    field("load_weight", load_weight, Interval{-1.0, 100.0},
          "of noisy top-k routers, coefficient of the load loss; -1 is 0.1 for them");
    field("z_weight", z_weight, Interval{0.0, 100.0}, "coefficient of the router z-loss");
    field("z_divides_by_top_k", z_divides_by_top_k,
          "divide the z-loss by top_k too, as OLMoE's training code did");
  }
};

struct RunConfig {
  std::string folder = "runs/default";
  int64_t steps = 1000;
  double minutes = 0.0;
  int64_t seed = 6198;
  std::string precision = "bf16";
  bool recompute = false;
  double dropout = 0.0;
  int64_t log_every = 10;
  int64_t validate_every = 0;
  int64_t sample_every = 0;
  int64_t checkpoint_every = 0;
  int64_t keep_last = 2;
  int64_t keep_every = 0;
  std::string checkpoint_dtype = "f32";
  double peak_gflops = 0.0;

  void visit_fields(auto&& field) {
    const Interval every{-1, 1e12};
    field("folder", folder, "where the run lives");
    field("steps", steps, Interval{1, 1e12}, "steps in all");
    field("minutes", minutes, Interval{0.0, 1e9},
          "instead of steps: as many as fit, measured over the first ones; 0 is off");
    field("seed", seed, Interval{0, 9e15}, "of weights, data order and dropout");
    field("precision", precision, Choices{{"bf16", "f32"}},
          "of weights and activations in the forward and backward pass");
    field("recompute", recompute, "keep one tensor a block and compute blocks again: less memory");
    field("dropout", dropout, Interval{0.0, 0.99}, "on the output of attention and experts");
    field("log_every", log_every, Interval{1, 1e9}, "steps between looks at the routers");
    field("validate_every", validate_every, every, "steps; 0 means ten times a run, -1 never");
    field("sample_every", sample_every, every, "steps; 0 means at each validation, -1 never");
    field("checkpoint_every", checkpoint_every, every,
          "steps; 0 means ten times a run, -1 only at the end");
    field("keep_last", keep_last, Interval{1, 1e9}, "newest checkpoints that are kept");
    field("keep_every", keep_every, Interval{0, 1e12},
          "keep those whose step is a multiple of this for ever; 0 none");
    field("checkpoint_dtype", checkpoint_dtype, Choices{{"f32", "bf16"}},
          "of the weights in model.safetensors");
    field("peak_gflops", peak_gflops, Interval{0.0, 1e12},
          "peak of this machine for the precision; 0 measures it at the start");
  }
};

struct TrainConfig {
  ModelConfig model;
  RouterConfig router;
  DataConfig data;
  OptimConfig optim;
  LossConfig loss;
  RunConfig run;

  void visit_fields(auto&& field) {
    field("model", model, "shape of the model");
    field("router", router, "which experts a token meets");
    field("data", data, "text and batches");
    field("optim", optim, "AdamW and the learning rate");
    field("loss", loss, "auxiliary losses of the routers");
    field("run", run, "length, precision, logs and checkpoints");
  }

  int64_t tokens_per_step() const {
    return data.sequence_length * data.micro_batch * data.accumulation;
  }
};

// The model that [model] describes, over a vocabulary, with eos and pad as the tokenizer has them
// (-1 for none). Throws Error(invalid_input).
model::ModelSpec build_spec(const TrainConfig& config, int64_t vocab_size, int64_t eos_token_id,
                            int64_t pad_token_id);

// What "ten times a run" means in steps; 0 while the length of the run is not known.
constexpr int64_t kTimesARun = 10;
constexpr int64_t automatic_interval(int64_t total_steps) {
  return (total_steps + kTimesARun - 1) / kTimesARun;
}

// Throws Error(invalid_input) for a value out of its range, and for a warm-up and an anneal that
// together are longer than the run.
void validate(const TrainConfig& config);

// The form of the load-balancing loss, by name. What "auto" stands for follows from the router that
// the model ends up with, whether [router] made it or a checkpoint brought it: the form that it was
// published with, and none where it has none (noisy_top_k, expert_choice, attention, sigmoids with
// a selection bias). For a plain top_k it is megablocks if router.kind says so, as in OLMoE,
// otherwise that of the family: transformers for Mixtral and Qwen2-MoE, arctic for Arctic, else
// megablocks.
std::string load_balancing_of(const TrainConfig& config, const model::ModelSpec& spec);
// The form by router.kind alone: what "auto" stood for in checkpoints that do not name the form.
std::string load_balancing_of_kind(const std::string& kind);

// The losses with what "auto" and -1 stand for. Throws Error(invalid_input) for losses that the
// router of the model does not have.
model::RouterLossOptions router_loss_options(const TrainConfig& config,
                                             const model::ModelSpec& spec);

}  // namespace cadre::train
