#include "quant/importance_file.h"

#include <cmath>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/io/gguf.h"
#include "core/io/gguf_writer.h"
#include "quant/tensors.h"

namespace cadre::quant {
namespace {

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

std::vector<float> as_floats(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

// The values of a tensor of that shape; they are checked.
std::vector<double> read_values(const io::GgufFile& file, const io::GgufTensor& tensor,
                                const Shape& shape) {
  const std::string where = file.path().string();
  // Extents of one are left out by some writers.
  if (tensor.shape.elements() != shape.elements() || !(tensor.shape.dim(-1) == shape.dim(-1))) {
    fail(ErrorKind::corrupt_data, "{}: \"{}\" is {}, expected {}: made with another model?", where,
         tensor.name, to_string(tensor.shape), to_string(shape));
  }
  if (!(tensor.type->stored == io::StoredType(DType::f32))) {
    fail(ErrorKind::corrupt_data, "{}: \"{}\" is {}, expected F32", where, tensor.name,
         tensor.type->name);
  }
  const Tensor stored = file.tensor(tensor);
  std::vector<double> values;
  for (const float value : stored.span<float>()) {
    if (!std::isfinite(value) || value < 0.0f) {
      fail(ErrorKind::corrupt_data, "{}: \"{}\" holds {}, expected numbers from 0", where,
           tensor.name, value);
    }
    values.push_back(value);
  }
  return values;
}

}  // namespace

void save_importance(const std::filesystem::path& path, const Importance& importance,
                     const model::ModelSpec& spec, const ImportanceSource& source) {
  io::GgufMetadata metadata;
  metadata.set("general.type", std::string("imatrix"));
  metadata.set("imatrix.datasets", std::vector<std::string>{source.dataset});
  metadata.set("imatrix.chunk_count", static_cast<uint32_t>(source.chunks));
  metadata.set("imatrix.chunk_size", static_cast<uint32_t>(source.chunk_size));
  std::vector<io::GgufEntry> entries;
  std::vector<const InputStatistics*> known;
  for (const OutputTensor& tensor : gguf_tensors(spec)) {
    const InputStatistics& statistics = importance.of(tensor.parameter);
    if (tensor.group == TensorGroup::kept || !importance.knows(tensor.parameter)) continue;
    const io::GgmlType& f32 = io::ggml_type(DType::f32);
    entries.push_back(
        {tensor.name + std::string(kSums), {statistics.matrices, statistics.columns}, &f32});
    entries.push_back({tensor.name + std::string(kCounts), {statistics.matrices, 1}, &f32});
    known.push_back(&statistics);
  }
  io::GgufWriter writer(path, metadata, std::move(entries));
  for (size_t i = 0; i < known.size(); ++i) {
    const std::vector<float> sums = as_floats(known[i]->squares);
    const std::vector<float> counts = as_floats(known[i]->tokens);
    writer.write(writer.entries()[2 * i].name, std::as_bytes(std::span(sums)));
    writer.write(writer.entries()[2 * i + 1].name, std::as_bytes(std::span(counts)));
  }
  writer.finish();
}

Importance load_importance(const std::filesystem::path& path, const model::ModelSpec& spec) {
  const auto file = io::GgufFile::open(path);
  if (const std::string type = file->string_or("general.type", ""); type != "imatrix") {
    fail(ErrorKind::corrupt_data, "{} is \"{}\", expected \"imatrix\"", file->where("general.type"),
         type);
  }
  Importance importance(model::parameter_list(spec));
  std::unordered_map<std::string_view, bool> placed;
  for (const OutputTensor& tensor : gguf_tensors(spec)) {
    const io::GgufTensor* sums = file->find(tensor.name + std::string(kSums));
    const io::GgufTensor* counts = file->find(tensor.name + std::string(kCounts));
    if (sums == nullptr && counts == nullptr) continue;
    if (sums == nullptr || counts == nullptr) {
      fail(ErrorKind::corrupt_data, "{}: \"{}\" has one of {} and {}, expected both", path.string(),
           tensor.name, kSums, kCounts);
    }
    placed[sums->name] = placed[counts->name] = true;
    InputStatistics& statistics = importance.of(tensor.parameter);
    if (tensor.group == TensorGroup::kept || statistics.matrices > 0) continue;
    statistics.matrices = tensor.shape.rank() == 3 ? tensor.shape.dim(0) : 1;
    statistics.columns = tensor.width;
    statistics.squares = read_values(*file, *sums, {statistics.matrices, statistics.columns});
    statistics.tokens = read_values(*file, *counts, {statistics.matrices, 1});
  }
  for (const io::GgufTensor& tensor : file->tensors()) {
    if (placed.contains(tensor.name)) continue;
    fail(ErrorKind::corrupt_data, "{}: \"{}\" has no place in this model", path.string(),
         tensor.name);
  }
  return importance;
}

}  // namespace cadre::quant
