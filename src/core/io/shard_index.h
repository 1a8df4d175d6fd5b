// The index beside the shards of a model: *.index.json, {"weight_map": {tensor: file}}.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace cadre::io {

// The names of the tensors that the index places in each file, sorted. Files must lie beside the
// index. Throws the errors of JsonView, and Error(corrupt_data) for names that lead elsewhere.
std::map<std::string, std::vector<std::string>> read_shard_index(
    const std::filesystem::path& index);

// Throws Error(corrupt_data), naming a tensor, if the file holds others than the index says. Both
// lists are sorted.
void check_shard(const std::filesystem::path& index, const std::filesystem::path& file,
                 const std::vector<std::string>& expected, const std::vector<std::string>& held);

}  // namespace cadre::io
