#include "quant/target.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "quant/choose.h"
#include "quant/measure.h"

namespace cadre::quant {
namespace {

constexpr std::array kCandidates = {BlockType::q2_k, BlockType::q3_k, BlockType::q4_k,
                                    BlockType::q5_k, BlockType::q6_k, BlockType::q8_0};
constexpr int64_t kSample = int64_t{1} << 20;  // elements of a tensor

std::vector<io::StoredType> candidates_for(int64_t width) {
  std::vector<io::StoredType> types;
  for (const BlockType candidate : kCandidates) {
    const io::StoredType type = fitting(candidate, width);
    if (std::ranges::find(types, type) == types.end()) types.push_back(type);
  }
  return types;
}

}  // namespace

double tensor_weight(const OutputTensor& tensor, int64_t num_layers) {
  const auto layers = static_cast<double>(num_layers);
  const auto has = [&](std::string_view part) {
    return tensor.name.find(part) != std::string::npos;
  };
  switch (tensor.group) {
    case TensorGroup::head:
      return 1.0;
    case TensorGroup::embedding:
      return 0.6;
    case TensorGroup::attention:
      // Scores forgive more than what is read and written by them.
      return (has(".attn_q.") || has(".attn_k.") ? 0.15 : 0.45) / layers;
    case TensorGroup::shared:
    case TensorGroup::mlp:
      return 0.3 / layers;
    default:
      return 0.09 / layers;
  }
}

void choose_types(Context& ctx, const model::Weights& weights, const Importance& importance,
                  const std::vector<bool>& fixed, int64_t num_layers, const SizeTarget& target,
                  std::vector<OutputTensor>& tensors,
                  const std::function<void(int64_t)>& progress) {
  std::vector<std::vector<io::StoredType>> types(tensors.size());
  std::vector<std::vector<FormatChoice>> choices(tensors.size());
  for (size_t t = 0; t < tensors.size(); ++t) {
    const OutputTensor& tensor = tensors[t];
    if (fixed[t] || tensor.group == TensorGroup::kept) {
      types[t] = {tensor.type};
      choices[t] = {{tensor.bytes(), 0.0}};
    } else {
      types[t] = candidates_for(tensor.width);
      const auto errors = sample_errors(ctx, weights, importance, tensor, types[t], kSample);
      for (size_t c = 0; c < types[t].size(); ++c) {
        const double relative = errors[c].relative();
        choices[t].push_back({tensor.bytes_as(types[t][c]),
                              tensor_weight(tensor, num_layers) * relative * relative});
      }
    }
    if (progress) progress(static_cast<int64_t>(t) + 1);
  }
  choices.push_back({{target.overhead, 0.0}});
  const std::vector<int64_t> chosen = choose_formats(choices, target.bytes);
  for (size_t t = 0; t < tensors.size(); ++t) {
    tensors[t].type = types[t][static_cast<size_t>(chosen[t])];
  }
}

}  // namespace cadre::quant
