// The ways in which models are stored, and which one a folder or file follows.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "model/spec.h"
#include "model/weights.h"

namespace cadre::model {

struct Format {
  std::string_view name;      // "Hugging Face"
  std::string_view contents;  // what it is known by: "config.json"
  // Whether the place, which exists, holds a model of this format.
  bool (*matches)(const std::filesystem::path& place);
  // Reads the configuration alone. Throws Error(corrupt_data, unsupported or invalid_input), naming
  // file and key.
  ModelSpec (*read_spec)(const std::filesystem::path& place);
  // Maps the files and checks them against the spec, reading no weight. Errors of weights_in.
  std::unique_ptr<const Weights> (*open_weights)(const std::filesystem::path& place,
                                                 const ModelSpec& spec);
};

// In the order in which they are tried.
std::span<const Format* const> formats();
// Null if the place holds no model that we know. A file without a place to look at is none.
const Format* find_format(const std::filesystem::path& place);
// Throws Error(not_found), saying what was looked for.
const Format& format_of(const std::filesystem::path& place);

// One file each.
extern const Format kHuggingFaceFormat;  // hf_format.cc
extern const Format kGgufFormat;         // gguf/format.cc
extern const Format kMistralFormat;      // mistral_format.cc
extern const Format kOlmoFormat;         // olmo_format.cc

}  // namespace cadre::model
