#include "model/weights.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>

#include "model/read_piece.h"
#include "model/rearrange.h"

namespace cadre::model {
namespace {

class FileWeights final : public Weights {
 public:
  FileWeights(std::shared_ptr<const io::TensorSource> source, std::vector<ParameterSpec> parameters,
              std::vector<FilePart> parts);

  const std::vector<ParameterSpec>& parameters() const override { return parameters_; }
  DType dtype(int64_t parameter) const override;
  int64_t stored_bytes() const override;
  int64_t num_tensors() const override { return static_cast<int64_t>(source_->tensors().size()); }
  std::vector<std::pair<std::string, int64_t>> stored_types() const override;
  void read(Context& ctx, int64_t parameter, Range elements, DType type, void* out) const override;
  Tensor view(int64_t parameter, Range elements, DType type) const override;
  std::vector<Tensor> row_views(int64_t parameter, DType type) const override;
  std::optional<BlockType> block_type(int64_t parameter) const override;
  std::vector<ops::BlockRows> blocks(int64_t parameter, Range rows) const override;
  std::vector<std::span<const std::byte>> mapped(int64_t parameter, Range elements) const override;
  bool is_made(int64_t parameter) const override;
  void release(int64_t parameter, Range elements) const override;

 private:
  // The pieces of one parameter, ascending by offset.
  std::span<const FilePart> pieces(int64_t parameter) const {
    const auto begin = static_cast<size_t>(first_[static_cast<size_t>(parameter)]);
    const auto end = static_cast<size_t>(first_[static_cast<size_t>(parameter) + 1]);
    return std::span(parts_).subspan(begin, end - begin);
  }

  std::shared_ptr<const io::TensorSource> source_;
  std::vector<ParameterSpec> parameters_;
  std::vector<FilePart> parts_;  // by parameter, then by offset
  std::vector<int64_t> first_;   // of each parameter among parts_, and their number
};

FileWeights::FileWeights(std::shared_ptr<const io::TensorSource> source,
                         std::vector<ParameterSpec> parameters, std::vector<FilePart> parts)
    : source_(std::move(source)), parameters_(std::move(parameters)), parts_(std::move(parts)) {
  std::ranges::stable_sort(parts_, [](const FilePart& a, const FilePart& b) {
    return std::pair(a.parameter, a.offset) < std::pair(b.parameter, b.offset);
  });
  size_t next = 0;
  for (size_t parameter = 0; parameter < parameters_.size(); ++parameter) {
    first_.push_back(static_cast<int64_t>(next));
    int64_t end = 0;
    for (; next < parts_.size() && parts_[next].parameter == static_cast<int64_t>(parameter);
         ++next) {
      CADRE_CHECK(parts_[next].offset == end);
      end += parts_[next].elements;
    }
    CADRE_CHECK(end == parameters_[parameter].shape.elements());
  }
  first_.push_back(static_cast<int64_t>(next));
  CADRE_CHECK(next == parts_.size());
}

DType FileWeights::dtype(int64_t parameter) const {
  const auto own = pieces(parameter);
  const DType first = source_->find(own.front().name)->dtype;
  const bool one_type = std::ranges::all_of(
      own, [&](const FilePart& piece) { return source_->find(piece.name)->dtype == first; });
  return one_type ? first : DType::f32;
}

int64_t FileWeights::stored_bytes() const {
  int64_t bytes = 0;
  for (const io::TensorInfo& info : source_->tensors()) {
    bytes += info.end - info.begin;
  }
  return bytes;
}

std::vector<std::pair<std::string, int64_t>> FileWeights::stored_types() const {
  std::map<std::string, int64_t> elements;
  for (const io::TensorInfo& info : source_->tensors()) {
    elements[std::string(source_->stored_type(info.name))] += info.shape.elements();
  }
  std::vector<std::pair<std::string, int64_t>> types(elements.begin(), elements.end());
  std::ranges::stable_sort(types, std::greater<>(), &std::pair<std::string, int64_t>::second);
  return types;
}

void FileWeights::read(Context& ctx, int64_t parameter, Range elements, DType type,
                       void* out) const {
  for (const FilePart& piece : pieces(parameter)) {
    const int64_t begin = std::max(elements.begin, piece.offset);
    const int64_t end = std::min(elements.end, piece.offset + piece.elements);
    if (begin >= end) continue;
    read_piece(ctx, *source_, piece, {begin - piece.offset, end - piece.offset}, type,
               static_cast<std::byte*>(out) + (begin - elements.begin) * dtype_size(type));
  }
}

Tensor FileWeights::view(int64_t parameter, Range elements, DType type) const {
  for (const FilePart& piece : pieces(parameter)) {
    const Range own = {piece.offset, piece.offset + piece.elements};
    if (elements.begin < own.begin || elements.end > own.end) continue;
    // What is made anew would be a second copy, which nobody gives back.
    if (!piece.swap.is_identity() || source_->is_made(piece.name)) return {};
    const io::TensorInfo* info = source_->find(piece.name);
    if (info->blocks || info->dtype != type || info->shape.elements() == 0) return {};
    const Tensor tensor = whole_tensor(*source_, piece.name);
    const int64_t begin = piece.file_offset + elements.begin - own.begin;
    return tensor.reshape({tensor.elements()}).slice(begin, begin + elements.size());
  }
  return {};
}

std::vector<Tensor> FileWeights::row_views(int64_t parameter, DType type) const {
  const Shape& shape = parameters_[static_cast<size_t>(parameter)].shape;
  const int64_t width = shape.dim(-1);
  const auto own = pieces(parameter);
  const int64_t run = own.front().elements;
  // Parts do not reach over the end of a matrix.
  if (run == 0 || run % width != 0 || shape.dim(-2) % (run / width) != 0) return {};
  std::vector<Tensor> views;
  for (const FilePart& piece : own) {
    if (piece.elements != run) return {};
    const Tensor mapped = view(parameter, {piece.offset, piece.offset + run}, type);
    if (!mapped.defined()) return {};
    views.push_back(mapped.reshape({run / width, width}));
  }
  return views;
}

std::optional<BlockType> FileWeights::block_type(int64_t parameter) const {
  const auto own = pieces(parameter);
  const std::optional<BlockType> type = source_->find(own.front().name)->blocks;
  if (!type) return std::nullopt;
  const int64_t width = parameters_[static_cast<size_t>(parameter)].shape.dim(-1);
  if (!fits_blocks(*type, width)) return std::nullopt;
  for (const FilePart& piece : own) {
    const bool whole_rows = piece.file_offset % width == 0 && piece.offset % width == 0 &&
                            piece.elements % width == 0 &&
                            (piece.swap.is_identity() || piece.swap.width % width == 0);
    if (source_->find(piece.name)->blocks != type || !whole_rows) return std::nullopt;
  }
  return type;
}

std::vector<ops::BlockRows> FileWeights::blocks(int64_t parameter, Range rows) const {
  const std::optional<BlockType> type = block_type(parameter);
  CADRE_CHECK(type.has_value());
  const int64_t width = parameters_[static_cast<size_t>(parameter)].shape.dim(-1);
  const BlockLayout layout = block_layout(*type);
  const int64_t row_bytes = width / layout.elements * layout.bytes;
  std::vector<ops::BlockRows> found;
  for (const FilePart& piece : pieces(parameter)) {
    // Of the piece's rows, in our order, those that are asked for.
    const int64_t begin = std::max(rows.begin - piece.offset / width, int64_t{0});
    const int64_t end = std::min(rows.end - piece.offset / width, piece.elements / width);
    if (begin >= end) continue;
    const std::byte* first =
        whole_blocks(*source_, piece.name).data() + piece.file_offset / width * row_bytes;
    const AxisSwap swap = piece.swap.is_identity() ? AxisSwap{1, 1, 1, piece.elements} : piece.swap;
    const int64_t run = swap.width / width;
    for (int64_t row = begin; row < end;) {
      const int64_t theirs = stored_run(swap, row / run);
      const int64_t count = std::min(end - row, run - row % run);
      found.push_back({first + (theirs * run + row % run) * row_bytes, count, row_bytes});
      row += count;
    }
  }
  return found;
}

std::vector<std::span<const std::byte>> FileWeights::mapped(int64_t parameter,
                                                            Range elements) const {
  std::vector<std::span<const std::byte>> spans;
  for (const FilePart& piece : pieces(parameter)) {
    Range local = {std::max(elements.begin, piece.offset) - piece.offset,
                   std::min(elements.end, piece.offset + piece.elements) - piece.offset};
    if (local.begin >= local.end) continue;
    if (!piece.swap.is_identity()) local = {0, piece.elements};  // they lie all over it
    const std::span<const std::byte> bytes = source_->mapped(piece.name);
    const io::TensorInfo* info = source_->find(piece.name);
    if (bytes.empty()) continue;
    const int64_t unit = info->blocks ? block_layout(*info->blocks).elements : 1;
    const int64_t unit_bytes = static_cast<int64_t>(bytes.size()) / (info->shape.elements() / unit);
    if (unit_bytes == 0) {  // several values a byte: what of them lies where is not known here
      spans.push_back(bytes);
      continue;
    }
    const int64_t begin = (piece.file_offset + local.begin) / unit * unit_bytes;
    const int64_t end = (piece.file_offset + local.end + unit - 1) / unit * unit_bytes;
    spans.push_back(bytes.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
  }
  return spans;
}

bool FileWeights::is_made(int64_t parameter) const {
  return std::ranges::any_of(pieces(parameter),
                             [&](const FilePart& piece) { return source_->is_made(piece.name); });
}

void FileWeights::release(int64_t parameter, Range elements) const {
  for (const FilePart& piece : pieces(parameter)) {
    if (piece.offset < elements.end && elements.begin < piece.offset + piece.elements) {
      source_->release(piece.name);
    }
  }
}

// The layout that the files follow: the one the largest share of whose names they hold. Whatever
// does not fit that layout is then an error, so nothing is guessed from the presence of a single
// tensor.
struct Chosen {
  const NameLayout* layout = nullptr;
  std::vector<FilePart> parts;
};

Chosen choose_layout(const io::TensorSource& source, std::span<const NameLayout> layouts,
                     const ModelSpec& spec, const std::vector<ParameterSpec>& parameters) {
  Chosen best;
  int64_t best_hits = -1;
  for (const NameLayout& layout : layouts) {
    std::vector<FilePart> parts = file_parts(layout, spec, parameters);
    const auto hits = std::ranges::count_if(
        parts, [&](const FilePart& part) { return source.contains(part.name); });
    // Shares are compared by cross-multiplication.
    if (best_hits < 0 || hits * static_cast<int64_t>(best.parts.size()) >
                             best_hits * static_cast<int64_t>(parts.size())) {
      best_hits = hits;
      best = {&layout, std::move(parts)};
    }
  }
  return best;
}

void check_part(const io::TensorSource& source, const std::filesystem::path& place,
                const FilePart& part) {
  const io::TensorInfo* info = source.find(part.name);
  if (info == nullptr) {
    fail(ErrorKind::corrupt_data, "{}: \"{}\" is missing, expected {}", place.string(), part.name,
         to_string(part.shape));
  }
  if (!(info->shape == part.shape)) {
    fail(ErrorKind::corrupt_data, "{}: \"{}\" is {}, expected {}",
         source.file_of(part.name).string(), part.name, to_string(info->shape),
         to_string(part.shape));
  }
  if (info->dtype != DType::f32 && info->dtype != DType::bf16 && info->dtype != DType::f16) {
    fail(ErrorKind::unsupported, "{}: \"{}\" is {}, expected f32, bf16 or f16",
         source.file_of(part.name).string(), part.name, dtype_name(info->dtype));
  }
}

void check_source(const io::TensorSource& source, const std::filesystem::path& place,
                  const Chosen& chosen, const ModelSpec& spec) {
  std::unordered_set<std::string_view> expected;
  for (const FilePart& part : chosen.parts) {
    if (expected.insert(part.name).second) check_part(source, place, part);
  }
  const std::string head = spec.tied_embeddings ? head_name(*chosen.layout) : std::string();
  for (const io::TensorInfo& info : source.tensors()) {
    if (expected.contains(info.name)) continue;
    if (!head.empty() && info.name == head) {
      FilePart tied;
      tied.name = head;
      tied.shape = {spec.vocab_size, spec.hidden_size};
      check_part(source, place, tied);
      continue;
    }
    fail(ErrorKind::corrupt_data, "{}: \"{}\" {} has no place in this model",
         source.file_of(info.name).string(), info.name, to_string(info.shape));
  }
}

}  // namespace

Tensor elements_of(Context& ctx, const Weights& weights, int64_t parameter, Range elements,
                   DType type) {
  const Tensor mapped = weights.view(parameter, elements, type);
  if (mapped.defined()) return mapped;
  const Tensor filled = ctx.empty({elements.size()}, type);
  weights.read(ctx, parameter, elements, type, filled.raw());
  return filled;
}

std::unique_ptr<const Weights> weights_in(std::shared_ptr<const io::TensorSource> source,
                                          std::span<const NameLayout> layouts,
                                          const ModelSpec& spec,
                                          const std::filesystem::path& place) {
  std::vector<ParameterSpec> parameters = parameter_list(spec);
  Chosen chosen = choose_layout(*source, layouts, spec, parameters);
  check_source(*source, place, chosen, spec);
  return std::make_unique<FileWeights>(std::move(source), std::move(parameters),
                                       std::move(chosen.parts));
}

}  // namespace cadre::model
