// The text that the quick start trains on: what this machine has, or a folder of the user's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/input_files.h"

namespace cadre::cli {

struct Domain {
  std::string name;
  std::string prompt;  // what samples go on from; empty leaves the choice to the data
  std::vector<data::InputFile> files;
  int64_t found_files = 0;  // of which `files` is a sample
  int64_t found_bytes = 0;

  int64_t bytes() const;
};

// How much text of a domain is enough for a short run. The sample is a function of the paths.
inline constexpr int64_t kDomainBytes = int64_t{12} << 20;

// Prose, C headers and Python sources (Perl's, where there is no Python) under the system's own
// folders. Domains with too little text are left out, with a line in `notes`. Throws
// Error(not_found), saying where it looked, if none is left.
std::vector<Domain> machine_domains(std::vector<std::string>& notes);

// The folder's subfolders as domains if it has several, with its own files as one more; else all
// of it as one. Throws Error(not_found) if there is no such folder or no file in it.
std::vector<Domain> folder_domains(const std::filesystem::path& folder,
                                   std::vector<std::string>& notes);

}  // namespace cadre::cli
