// Which files a list of inputs stands for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cadre::data {

struct InputFile {
  std::filesystem::path path;
  int64_t bytes = 0;
};

struct InputFiles {
  std::vector<InputFile> files;
  int64_t excluded = 0;    // by the patterns
  int64_t unreadable = 0;  // folders that could not be listed, links that lead nowhere
};

// The files of each input in turn, sorted by path within a folder or glob, every file once:
//
//   a folder      walked to any depth, without hidden entries and linked folders; its files are
//                 taken if they match `include` (empty takes all) and do not match `exclude`
//   a file        taken whatever the patterns say
//   a glob        `*`, `?`, `[...]`, where no file of that very name exists; of what it matches,
//                 files and folders are treated as above, files subject to the patterns
//
// A pattern with a leading dot is an ending (".py"); any other is a glob on the file's name. Throws
// Error(not_found) for an input that is not there or a glob that matches nothing.
InputFiles list_input_files(const std::vector<std::string>& inputs,
                            const std::vector<std::string>& include,
                            const std::vector<std::string>& exclude);

}  // namespace cadre::data
