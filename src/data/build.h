// Text to a dataset: a folder of token shards with a manifest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/base/fields.h"
#include "core/base/thread_pool.h"
#include "data/documents.h"
#include "data/encoder.h"
#include "data/manifest.h"

namespace cadre::data {

struct SourceSpec {
  std::string name;
  std::vector<std::string> inputs;  // folders, files, globs; see data/input_files.h
  double weight = 1.0;              // its share of training sequences, relative to the others
};

struct BuildOptions {
  DocumentOptions documents;
  double held_out = 0.01;
  int64_t max_shard_tokens = int64_t{1} << 24;
  bool overwrite = false;

  void visit_fields(auto&& field) {
    documents.visit_fields(field);
    field("held_out", held_out, Interval{0.0, 0.5},
          "share of documents kept from training; at least one of each source if above 0");
    field("max_shard_tokens", max_shard_tokens, Interval{1, 1 << 30}, "tokens in one file");
    field("overwrite", overwrite, "replace a dataset that is there");
  }
};

struct BuildProgress {
  std::string source;
  int64_t documents = 0;  // of all sources so far
  int64_t text_bytes = 0;
  int64_t tokens = 0;
  int64_t read_bytes = 0;  // of the files of this source
  int64_t total_bytes = 0;
};

// Reads, filters, deduplicates (over all sources together), tokenises and splits. The folder
// appears under its name when it is complete; its bytes depend on the texts, the options and the
// tokenizer, not on the number of threads. `progress` (may be empty) is called by the calling
// thread, and what it throws ends the work.
//
// Throws Error(invalid_input) for names that are taken or unfit, a folder that exists (without
// overwrite) or is not a dataset (with it), and a source without any document; the errors of
// DocumentReader and FileWriter.
DatasetManifest build_dataset(const std::vector<SourceSpec>& sources, const BuildOptions& options,
                              const TokenEncoder& encoder, const std::filesystem::path& folder,
                              ThreadPool& pool,
                              const std::function<void(const BuildProgress&)>& progress = {});

}  // namespace cadre::data
