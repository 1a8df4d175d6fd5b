// Experts of a model that is larger than memory: of each layer some have slots, the others are read
// from the mapped file when tokens meet them.
//
// The dense part of a model meets every token; of E experts a token meets k, and which ones is far
// from even, so a cache of a part of them serves most. Eliseev and Mazur, "Fast Inference of
// Mixture-of-Experts Language Models with Offloading", arXiv:2312.17238, whose guess at the next
// layer's experts (its router on this layer's input) is used here to read ahead.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/read_ahead.h"
#include "core/ops/expert_store.h"
#include "model/expert_slots.h"
#include "model/guess_trial.h"
#include "model/stored_model.h"
#include "model/weight_holding.h"

namespace cadre::model {

struct ExpertCacheStatistics {
  int64_t experts = 0;         // of all layers
  int64_t slots = 0;           // of them in memory at a time
  int64_t bytes = 0;           // of the slots
  int64_t uses = 0;            // an expert meets the tokens of a pass
  int64_t hits = 0;            // uses that found it in memory
  int64_t read_bytes = 0;      // as the file holds them
  double read_seconds = 0.0;   // in which a pass waited for reading and packing
  int64_t guesses = 0;         // experts not in memory that a guess named
  int64_t right_guesses = 0;   // of them those that were used next
  int64_t guessed_misses = 0;  // misses in passes that guessed
  bool guessing = false;       // whether guesses are in use now
};

// Guarded by a mutex for each layer, so that several threads may run passes.
class ExpertCache final : public ops::ExpertStore {
 public:
  // Slots for what `options.memory_bytes` leaves beside `dense_bytes` and the pages of one expert
  // on its way. Layers get equal shares of their experts, and at least one slot. Throws
  // Error(invalid_input), naming what is needed, if there is no room for that. Context's kernels
  // and allocator must outlive it.
  ExpertCache(Context& ctx, const ModelSpec& spec, std::shared_ptr<const Weights> weights,
              const LoadOptions& options, int64_t dense_bytes);
  ~ExpertCache() override;

  // The slots of one parameter, which has the kind `expert`; see ops::Weight::slots.
  ops::Weight stack(int64_t parameter) const;

  VisitHandle visit(int64_t layer, std::span<const int64_t> rows) override;
  bool wants_guess(int64_t layer) override;
  void guess(int64_t layer, std::span<const int64_t> rows) override;

  ExpertCacheStatistics statistics() const;
  void reset_statistics();

 private:
  // One of a layer's two parameters.
  struct Part {
    int64_t parameter = -1;
    WeightHolding holding;
    ops::Weight stack;
  };
  class LayerVisit;
  struct Layer {
    Layer(int64_t num_experts, int64_t num_slots);
    ~Layer();
    std::mutex mutex;  // guards all below but for the stacks' shapes
    ExpertSlots slots;
    Part gate_up, down;
    std::vector<bool> guessed;  // [E], empty without a guess
    std::chrono::steady_clock::time_point guess_begun;
    std::unique_ptr<LayerVisit> visit;  // the one that may be under way
  };

  Part make_part(const ModelSpec& spec, int64_t parameter, const LoadOptions& options) const;
  void make_stack(Context& ctx, Part& part, int64_t slots) const;
  Range elements_of(const Part& part, int64_t expert) const;
  std::vector<std::span<const std::byte>> file_bytes(const Layer& layer, int64_t expert) const;
  // Reads the experts into slots, keeping `kept`.
  void load(Context& ctx, Layer& layer, std::span<const int64_t> experts);
  void read_into(Context& ctx, const Part& part, int64_t expert, int64_t slot) const;
  void judge_guess(Layer& layer, std::span<const int64_t> rows);

  std::shared_ptr<const Weights> weights_;
  bool drop_cache_;
  std::vector<std::unique_ptr<Layer>> layers_;  // null for dense ones
  int64_t first_layer_ = -1;                    // with experts
  mutable std::mutex mutex_;                    // guards the two below
  ExpertCacheStatistics statistics_;
  GuessTrial trial_;
  ReadAhead read_ahead_;  // last: it ends before what it reads goes
};

}  // namespace cadre::model
