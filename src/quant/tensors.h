// The tensors of files that are to be written, and the types that a format gives them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/ggml_type.h"
#include "model/spec.h"
#include "quant/importance.h"

namespace cadre::quant {

// What a tensor is for, as far as bits are concerned.
enum class TensorGroup { embedding, head, attention, shared, expert, mlp, kept };
std::string_view group_name(TensorGroup group);

// A piece of a parameter that a tensor consists of.
struct TensorPiece {
  int64_t offset;  // elements from the start of the parameter, whole rows
  int64_t elements;
};

struct OutputTensor {
  std::string name;
  Shape shape;
  int64_t parameter = 0;
  TensorGroup group = TensorGroup::kept;
  int64_t width = 0;  // of a row
  std::vector<TensorPiece> pieces;
  io::StoredType type = DType::f32;
  // For what is stored otherwise, as several tensors: "int4, groups of 32", and the bytes of all.
  std::string scheme = {};
  int64_t scheme_bytes = 0;

  int64_t bytes() const { return scheme.empty() ? bytes_as(type) : scheme_bytes; }
  std::string format() const;
  int64_t bytes_as(const io::StoredType& stored) const;
};

// In the order of the file, each of type f32 (kept) or bf16. Throws Error(unsupported) for a model
// that GGUF has no names for.
std::vector<OutputTensor> gguf_tensors(const model::ModelSpec& spec);

// The same for a Hugging Face directory with one tensor for each expert.
std::vector<OutputTensor> hf_tensors(const model::ModelSpec& spec);

// "q4_k" or "Q4_K": every BlockType, and "f16", "bf16", "f32". Throws Error(invalid_input) listing
// them and `others`, which the caller knows.
io::StoredType format_from_name(std::string_view name, std::string_view others = {});
std::string format_name(const io::StoredType& type);

// `type`, or what stands in for it where rows of that width are not whole blocks: the format of
// about as many bits in blocks of 32, else f16.
io::StoredType fitting(const io::StoredType& type, int64_t width);

// The types of a format: experts and dense MLPs have the format itself, and what every token meets
// (attention, shared experts) and the embedding and the head have more bits, unless `pure`.
// Experts are nearly all of a mixture, so this costs little. Groups that are kept stay as they are.
void apply_format(const io::StoredType& format, bool pure, std::vector<OutputTensor>& tensors);

// "PATTERN=FORMAT", a pattern of the shell over names of tensors: blk.*.attn_v.weight=q8_0. The
// last that matches counts. Returns which tensors any has matched. Throws Error(invalid_input) for
// one that matches nothing, or would round what is kept.
std::vector<bool> apply_patterns(const std::vector<std::string>& patterns,
                                 std::vector<OutputTensor>& tensors);

}  // namespace cadre::quant
