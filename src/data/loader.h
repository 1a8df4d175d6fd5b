// Batches of a dataset, in an order that is a pure function of a seed and a position.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/batch.h"
#include "data/held_out_plan.h"
#include "data/manifest.h"
#include "data/source_schedule.h"
#include "data/token_stream.h"

namespace cadre::data {

struct LoaderOptions {
  int64_t sequence_length = 512;  // T
  int64_t batch_size = 8;         // B, sequences in a batch
  uint64_t seed = 0;
  bool document_masking = true;
  // By name, over the weights of the manifest; sources that are not named keep theirs.
  std::vector<std::pair<std::string, double>> weights = {};
  int64_t max_held_out_tokens = 65536;  // of each source, see HeldOutPlan
  bool verify = true;                   // read every byte of every shard at the start
};

// Training: sequence slot p = index * B + row has the source that SourceSchedule gives it. The
// tokens of a source, documents end to end, are cut into sequences of T tokens (each with the token
// after it as the last target); the k-th draw from the source is sequence
// permutation_epoch(k mod n) of its n, so that an epoch holds each once, with epoch = k / n. The
// cuts of each epoch begin at another of the few tokens that would be left over.
//
// So nothing has to be remembered: a run that resumes goes on with the next index. Immutable, so
// threads may share it.
class PackedLoader {
 public:
  // Throws Error(not_found), Error(corrupt_data) for damaged manifests and shards;
  // Error(invalid_input) for options out of range, an unknown source name, and a source with a
  // weight whose tokens do not make one sequence.
  static PackedLoader open(const std::filesystem::path& folder, const LoaderOptions& options);

  // Batch number index of training, from 0 without end.
  Batch training_batch(int64_t index) const;
  // Sequences of a source in one epoch; 0 if training does not draw from it.
  int64_t sequences(int64_t source) const;
  // How often the source has been gone through when `batches` batches are read.
  double epochs(int64_t source, int64_t batches) const;

  // Held-out text of a source, with document masking always. Sources may have none.
  const HeldOutPlan& held_out(int64_t source) const;
  int64_t num_validation_batches(int64_t source) const;
  Batch validation_batch(int64_t source, int64_t index) const;

  const DatasetManifest& manifest() const { return manifest_; }
  const LoaderOptions& options() const { return options_; }
  const SourceSchedule& schedule() const { return schedule_; }
  int64_t num_sources() const { return static_cast<int64_t>(sources_.size()); }

 private:
  struct Source {
    TokenStream train;
    TokenStream held_out;
    HeldOutPlan plan;
    uint64_t key = 0;  // of its shuffles
    int64_t sequences = 0;
  };
  PackedLoader(DatasetManifest manifest, LoaderOptions options, SourceSchedule schedule)
      : manifest_(std::move(manifest)), options_(options), schedule_(std::move(schedule)) {}
  void append_sequence(const Source& source, int64_t draw, Batch& batch) const;

  DatasetManifest manifest_;
  LoaderOptions options_;
  SourceSchedule schedule_;
  std::vector<Source> sources_;
};

}  // namespace cadre::data
