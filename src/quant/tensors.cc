#include "quant/tensors.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <variant>

#include "core/base/error.h"
#include "model/families/family.h"
#include "model/gguf/names.h"
#include "model/gguf/spec.h"

namespace cadre::quant {
namespace {

using model::ParameterKind;
using model::ParameterSpec;

constexpr std::array kBlockTypes = {
    BlockType::q2_k, BlockType::q3_k, BlockType::q4_0, BlockType::q4_1, BlockType::q4_k,
    BlockType::q5_0, BlockType::q5_1, BlockType::q5_k, BlockType::q6_k, BlockType::q8_0};
constexpr std::array kElementTypes = {DType::f16, DType::bf16, DType::f32};

TensorGroup group_of(const ParameterSpec& parameter) {
  if (!model::can_be_packed(parameter)) return TensorGroup::kept;
  const auto has = [&](std::string_view part) {
    return parameter.name.find(part) != std::string::npos;
  };
  if (parameter.kind == ParameterKind::embedding) return TensorGroup::embedding;
  if (parameter.kind == ParameterKind::head) return TensorGroup::head;
  if (parameter.kind == ParameterKind::expert) return TensorGroup::expert;
  if (has(".attention.")) return TensorGroup::attention;
  return has(".shared_expert.") || has(".residual_mlp.") ? TensorGroup::shared : TensorGroup::mlp;
}

// What a format gives to parts that every token meets, and to embedding and head.
struct Recipe {
  BlockType format;
  BlockType common;
  BlockType ends;
};
constexpr std::array kRecipes = {
    Recipe{BlockType::q2_k, BlockType::q4_k, BlockType::q5_k},
    Recipe{BlockType::q3_k, BlockType::q5_k, BlockType::q6_k},
    Recipe{BlockType::q4_0, BlockType::q8_0, BlockType::q8_0},
    Recipe{BlockType::q4_1, BlockType::q8_0, BlockType::q8_0},
    Recipe{BlockType::q4_k, BlockType::q6_k, BlockType::q6_k},
    Recipe{BlockType::q5_0, BlockType::q8_0, BlockType::q8_0},
    Recipe{BlockType::q5_1, BlockType::q8_0, BlockType::q8_0},
    Recipe{BlockType::q5_k, BlockType::q6_k, BlockType::q8_0},
    Recipe{BlockType::q6_k, BlockType::q8_0, BlockType::q8_0},
    Recipe{BlockType::q8_0, BlockType::q8_0, BlockType::q8_0},
};

io::StoredType type_for(const io::StoredType& format, TensorGroup group, bool pure) {
  const auto* blocks = std::get_if<BlockType>(&format);
  if (blocks == nullptr || pure) return format;
  const Recipe& recipe = *std::ranges::find(kRecipes, *blocks, &Recipe::format);
  switch (group) {
    case TensorGroup::attention:
    case TensorGroup::shared:
      return recipe.common;
    case TensorGroup::embedding:
    case TensorGroup::head:
      return recipe.ends;
    default:
      return format;
  }
}

}  // namespace

std::string_view group_name(TensorGroup group) {
  switch (group) {
    case TensorGroup::embedding:
      return "embedding";
    case TensorGroup::head:
      return "head";
    case TensorGroup::attention:
      return "attention";
    case TensorGroup::shared:
      return "shared";
    case TensorGroup::expert:
      return "experts";
    case TensorGroup::mlp:
      return "mlp";
    case TensorGroup::kept:
      return "router, norms";
  }
  return "";
}

std::string OutputTensor::format() const { return scheme.empty() ? format_name(type) : scheme; }

int64_t OutputTensor::bytes_as(const io::StoredType& stored) const {
  if (const auto* blocks = std::get_if<BlockType>(&stored)) return block_bytes(*blocks, shape);
  return shape.elements() * dtype_size(std::get<DType>(stored));
}

namespace {

std::vector<OutputTensor> tensors_of(const model::NameLayout& layout,
                                     const model::ModelSpec& spec) {
  const std::vector<ParameterSpec> parameters = model::parameter_list(spec);
  std::vector<OutputTensor> tensors;
  std::unordered_map<std::string, size_t> by_name;
  for (const model::FilePart& part : model::file_parts(layout, spec, parameters)) {
    const auto [place, is_new] = by_name.emplace(part.name, tensors.size());
    if (is_new) {
      OutputTensor tensor;
      tensor.name = part.name;
      tensor.shape = part.shape;
      tensor.parameter = part.parameter;
      tensor.group = group_of(parameters[static_cast<size_t>(part.parameter)]);
      tensor.width = part.shape.rank() == 0 ? 1 : part.shape.dim(-1);
      tensor.type = tensor.group == TensorGroup::kept ? DType::f32 : DType::bf16;
      tensors.push_back(std::move(tensor));
    }
    tensors[place->second].pieces.push_back({part.offset, part.elements});
  }
  return tensors;
}

}  // namespace

std::vector<OutputTensor> gguf_tensors(const model::ModelSpec& spec) {
  return tensors_of(model::gguf::layouts(model::gguf::architecture_of(spec)).front(), spec);
}

std::vector<OutputTensor> hf_tensors(const model::ModelSpec& spec) {
  return tensors_of(model::find_family(spec.architecture).layouts.front(), spec);
}

io::StoredType format_from_name(std::string_view name, std::string_view others) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  std::string known;
  std::string hint;
  for (const BlockType type : kBlockTypes) {
    const std::string_view own = block_type_name(type);
    if (own == lower) return type;
    // llama.cpp's mixtures, such as Q4_K_M.
    if (lower.starts_with(own)) hint = fmt::format("; the nearest is {}", own);
    known += fmt::format("{}, ", own);
  }
  for (const DType type : kElementTypes) {
    if (dtype_name(type) == lower) return type;
    known += fmt::format("{}{}", dtype_name(type), type == kElementTypes.back() ? "" : ", ");
  }
  if (!others.empty()) known += fmt::format(", {}", others);
  fail(ErrorKind::invalid_input, "format \"{}\": there are {}{}", name, known, hint);
}

std::string format_name(const io::StoredType& type) {
  if (const auto* blocks = std::get_if<BlockType>(&type)) {
    return std::string(block_type_name(*blocks));
  }
  return std::string(dtype_name(std::get<DType>(type)));
}

io::StoredType fitting(const io::StoredType& type, int64_t width) {
  const auto* blocks = std::get_if<BlockType>(&type);
  if (blocks == nullptr || fits_blocks(*blocks, width)) return type;
  if (!fits_blocks(BlockType::q8_0, width)) return DType::f16;
  switch (*blocks) {
    case BlockType::q2_k:
    case BlockType::q3_k:
      return BlockType::q4_0;
    case BlockType::q4_k:
      return BlockType::q5_0;
    case BlockType::q5_k:
      return BlockType::q5_1;
    default:
      return BlockType::q8_0;
  }
}

void apply_format(const io::StoredType& format, bool pure, std::vector<OutputTensor>& tensors) {
  for (OutputTensor& tensor : tensors) {
    if (tensor.group == TensorGroup::kept) continue;
    tensor.type = fitting(type_for(format, tensor.group, pure), tensor.width);
  }
}

std::vector<bool> apply_patterns(const std::vector<std::string>& patterns,
                                 std::vector<OutputTensor>& tensors) {
  std::vector<bool> matched(tensors.size(), false);
  for (const std::string& text : patterns) {
    const size_t equals = text.rfind('=');
    if (equals == std::string::npos) {
      fail(ErrorKind::invalid_input, "--tensor {}: expected PATTERN=FORMAT", text);
    }
    const std::string pattern = text.substr(0, equals);
    const io::StoredType type = format_from_name(text.substr(equals + 1));
    int64_t matches = 0;
    for (size_t t = 0; t < tensors.size(); ++t) {
      OutputTensor& tensor = tensors[t];
      if (fnmatch(pattern.c_str(), tensor.name.c_str(), 0) != 0) continue;
      ++matches;
      matched[t] = true;
      if (tensor.group == TensorGroup::kept) {
        fail(ErrorKind::invalid_input, "--tensor {}: \"{}\" stays in f32", text, tensor.name);
      }
      tensor.type = fitting(type, tensor.width);
    }
    if (matches == 0) {
      fail(ErrorKind::invalid_input, "--tensor {}: no tensor has such a name; the first is \"{}\"",
           text, tensors.front().name);
    }
  }
  return matched;
}

}  // namespace cadre::quant
