#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/io/safetensors_set.h"
#include "model/families/family.h"
#include "model/hf.h"

namespace cadre::model {
namespace {

// The layout that the file follows: the one most of whose names it holds. Whatever does not fit
// that layout is then an error, so nothing is guessed from the presence of a single tensor.
std::vector<FilePart> choose_layout(const io::SafetensorsSet& files, const Family& family,
                                    const std::vector<ParameterSpec>& parameters) {
  std::vector<FilePart> best;
  int64_t best_hits = -1;
  for (const NameLayout& layout : family.layouts) {
    std::vector<FilePart> parts = file_parts(layout, parameters);
    const auto hits = std::ranges::count_if(
        parts, [&](const FilePart& part) { return files.contains(part.name); });
    // The share of the layout that is there, compared by cross-multiplication.
    if (best_hits < 0 ||
        hits * static_cast<int64_t>(best.size()) > best_hits * static_cast<int64_t>(parts.size())) {
      best_hits = hits;
      best = std::move(parts);
    }
  }
  return best;
}

void check_parts(const io::SafetensorsSet& files, const std::filesystem::path& folder,
                 const std::vector<FilePart>& parts) {
  std::unordered_map<std::string_view, bool> expected;
  for (const FilePart& part : parts) {
    expected[part.name] = true;
    const io::TensorInfo* info = files.find(part.name);
    if (info == nullptr) {
      fail(ErrorKind::corrupt_data, "{}: \"{}\" is missing, expected {}", folder.string(),
           part.name, to_string(part.shape));
    }
    if (!(info->shape == part.shape)) {
      fail(ErrorKind::corrupt_data, "{}: \"{}\" is {}, expected {}",
           files.file_of(part.name).string(), part.name, to_string(info->shape),
           to_string(part.shape));
    }
    if (info->dtype != DType::f32 && info->dtype != DType::bf16 && info->dtype != DType::f16) {
      fail(ErrorKind::unsupported, "{}: \"{}\" is {}, expected f32, bf16 or f16",
           files.file_of(part.name).string(), part.name, dtype_name(info->dtype));
    }
  }
  for (const io::TensorInfo& info : files.tensors()) {
    if (!expected.contains(info.name)) {
      fail(ErrorKind::corrupt_data, "{}: \"{}\" {} has no place in this model",
           files.file_of(info.name).string(), info.name, to_string(info.shape));
    }
  }
}

// A checkpoint with tied embeddings may carry the head all the same. It is read first, so that
// where the two differ the embedding counts, as in transformers.
void drop_tied_head(const io::SafetensorsSet& files, const ModelSpec& spec,
                    std::vector<FilePart>& parts) {
  if (!spec.tied_embeddings || !files.contains("lm_head.weight")) return;
  FilePart head = *std::ranges::find(parts, 0, &FilePart::parameter);
  head.name = "lm_head.weight";
  parts.insert(parts.begin(), std::move(head));
}

}  // namespace

void load_tensors(Context& ctx, const std::filesystem::path& folder, const ModelSpec& spec,
                  const std::function<Tensor(int64_t parameter)>& target) {
  const io::SafetensorsSet files = io::SafetensorsSet::open(folder);
  const std::vector<ParameterSpec> parameters = parameter_list(spec);
  std::vector<FilePart> parts = choose_layout(files, find_family(spec.architecture), parameters);
  drop_tied_head(files, spec, parts);
  check_parts(files, folder, parts);
  for (const FilePart& part : parts) {
    const Tensor source = files.tensor(part.name);
    const Tensor whole = target(part.parameter);
    CADRE_CHECK(whole.shape() == parameters[static_cast<size_t>(part.parameter)].shape);
    const kernels::CastArgs args = {
        .x = source.raw(),
        .x_type = source.dtype(),
        .y = static_cast<std::byte*>(whole.raw()) + part.offset * dtype_size(whole.dtype()),
        .y_type = whole.dtype()};
    ctx.for_rows(source.elements(), dtype_size(whole.dtype()),
                 [&](Range elements) { ctx.kernels().cast(args, elements); });
  }
}

DType stored_dtype(const std::filesystem::path& folder, const ModelSpec& spec) {
  const io::SafetensorsSet files = io::SafetensorsSet::open(folder);
  const std::vector<FilePart> parts =
      choose_layout(files, find_family(spec.architecture), parameter_list(spec));
  const io::TensorInfo* first = files.find(parts.front().name);
  if (first == nullptr) {
    fail(ErrorKind::corrupt_data, "{}: \"{}\" is missing", folder.string(), parts.front().name);
  }
  return first->dtype;
}

LoadedModel load_model(Context& ctx, const std::filesystem::path& folder, DType compute) {
  const ModelSpec spec = read_spec(folder);
  auto parameters = std::make_shared<Parameters>(ctx, spec, compute);
  load_tensors(ctx, folder, spec, [&](int64_t index) { return parameters->tensor(index); });
  return {parameters, std::make_shared<const Decoder>(spec, parameters)};
}

}  // namespace cadre::model
