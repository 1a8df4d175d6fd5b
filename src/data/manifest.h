// dataset.json: what a folder of token shards holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/io/json_value.h"

namespace cadre::data {

struct ShardEntry {
  std::string file;  // beside the manifest
  int64_t tokens = 0;
  int64_t documents = 0;
  int64_t text_bytes = 0;
  uint64_t checksum = 0;
};

// One part of one source, training or held-out.
struct SplitEntry {
  std::vector<ShardEntry> shards;

  int64_t tokens() const;
  int64_t documents() const;
  int64_t text_bytes() const;
};

struct SourceEntry {
  std::string name;
  double weight = 1.0;
  SplitEntry train;
  SplitEntry held_out;
  io::JsonValue reading;  // an object: what was read and what was passed over, and why
};

struct DatasetManifest {
  int64_t vocab_size = 0;
  int32_t eos_id = 0;
  uint64_t tokenizer_checksum = 0;  // of tokenizer.json beside the manifest
  std::vector<SourceEntry> sources;
};

inline constexpr char kManifestFile[] = "dataset.json";
inline constexpr char kTokenizerFile[] = "tokenizer.json";

// The text carries its own checksum.
std::string format_manifest(const DatasetManifest& manifest);
// Throws Error(corrupt_data) that names `where` and the key: sizes and names out of range, files
// that lead elsewhere, a checksum that does not fit; Error(unsupported) for another version.
DatasetManifest parse_manifest(std::string_view text, const std::string& where);
// Throws Error(not_found) if the folder holds no dataset.json.
DatasetManifest read_manifest(const std::filesystem::path& folder);

// Names become part of file names: letters, digits, '_', '-' and '.', not first. Throws
// Error(invalid_input).
void check_source_name(const std::string& name);

}  // namespace cadre::data
