// What other commands need of `cadre data`.
#pragma once

#include <filesystem>
#include <vector>

#include "core/base/thread_pool.h"
#include "data/build.h"
#include "text/tokenizer.h"

namespace cadre::cli {

// data::build_dataset with progress on the terminal.
data::DatasetManifest build_with_progress(const std::vector<data::SourceSpec>& sources,
                                          const data::BuildOptions& options,
                                          const text::Tokenizer& tokenizer,
                                          const std::filesystem::path& folder, ThreadPool& pool);

// A table of sources, one a line.
void print_manifest(const data::DatasetManifest& manifest);

}  // namespace cadre::cli
