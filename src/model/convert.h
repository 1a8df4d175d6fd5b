// Streaming a stored model into other files, and checking what was written by reading it back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "core/ops/context.h"
#include "model/layout_writer.h"
#include "model/spec.h"
#include "model/weights.h"

namespace cadre::model {

// Called now and then with the bytes that are done, of those in all.
using ConvertProgress = std::function<void(int64_t done, int64_t total)>;

// Hands out elements of stored weights one after another and gives back the pages of each before
// the next: what streams through it never holds more than one piece of the source in memory.
class StreamedElements {
 public:
  StreamedElements(Context& ctx, const Weights& weights) : ctx_(ctx), weights_(weights) {}
  ~StreamedElements() { release(); }
  StreamedElements(const StreamedElements&) = delete;
  StreamedElements& operator=(const StreamedElements&) = delete;

  // Valid until the next call.
  Tensor read(int64_t parameter, Range elements, DType type);

 private:
  void release();

  Context& ctx_;
  const Weights& weights_;
  int64_t parameter_ = -1;
  Range elements_;
};

struct HfOptions {
  std::optional<DType> dtype = std::nullopt;  // of all tensors; none keeps the type of each
  bool packed_experts = false;                // as transformers 5 keeps them in memory
  int64_t max_shard_bytes = int64_t{5'000'000'000};
};

// The bytes of all tensors that write_hf_weights will write. Throws Error(unsupported) if the
// family has no such layout.
int64_t hf_weight_bytes(const Weights& weights, const ModelSpec& spec, const HfOptions& options);

// Writes model.safetensors, or shards and their index, into an existing folder. Memory is bounded
// by 64 MiB and the largest tensor whose elements change places. Not atomic.
void write_hf_weights(Context& ctx, const std::filesystem::path& folder, const Weights& weights,
                      const ModelSpec& spec, const HfOptions& options,
                      const ConvertProgress& progress);

// config.json from the spec; of a config.json at `source`, keys that the spec does not cover are
// carried over, except what says how its tensors were stored. Then generation_config.json, the
// tokenizer's files and the chat template of the source's folder, those that exist; nothing of what
// lies beside a GGUF file.
void write_hf_files(const std::filesystem::path& folder, const std::filesystem::path& source,
                    const ModelSpec& spec, DType dtype);

// Reads both: what was written must be what the source gives, bit for bit, in the element type of
// the parameter or rounded to its blocks once more (q8_0 and q4_0, see ops::quantise). Throws
// Error(corrupt_data), naming the parameter and the element, if not; and Error(unsupported) for a
// value that blocks cannot hold: NaN, an infinity, or one whose scale is beyond f16.
void expect_same_weights(Context& ctx, const Weights& source, const Weights& written,
                         const ConvertProgress& progress);

}  // namespace cadre::model
