// What `cadre convert` can write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/ops/context.h"
#include "model/convert.h"
#include "model/spec.h"
#include "model/weights.h"

namespace cadre::cli {

struct ConvertTarget {
  std::string name;   // "hf", ...
  int64_t bytes = 0;  // of the output, apart from headers and small files
  // Writes the model at `source` to `output`, which is not there yet.
  std::function<void(Context& ctx, const std::filesystem::path& source,
                     const std::filesystem::path& output, const model::ConvertProgress& progress)>
      write;
};

// Throws Error(invalid_input) for a format or an element type that there is not, Error(unsupported)
// for a model that the format cannot hold. The weights must outlive the target.
ConvertTarget convert_target(std::string_view to, std::string_view dtype, int64_t max_shard_bytes,
                             const model::Weights& weights, const model::ModelSpec& spec);

// The part of convert_target for GGUF files.
ConvertTarget gguf_target(std::string_view dtype, const model::Weights& weights,
                          const model::ModelSpec& spec);

// Throws Error(unsupported), naming what differs, if the format lost a part of the configuration
// that decides what is computed in inference, or the id of a token that has a role.
void check_same_spec(const model::ModelSpec& source, const model::ModelSpec& written);

// "5GB", "500MB", "2GiB", "1048576". Throws Error(invalid_input).
int64_t parse_bytes(std::string_view text);

}  // namespace cadre::cli
