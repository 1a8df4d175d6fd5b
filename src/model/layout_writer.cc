#include "model/layout_writer.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "core/tensor/contents.h"
#include "model/parameters.h"
#include "model/rearrange.h"

namespace cadre::model {
namespace {

constexpr int64_t kChunk = int64_t{16} << 20;  // elements

Tensor assemble(Context& ctx, const std::vector<FilePart>& parts, DType dtype,
                const ElementSource& source) {
  const Tensor whole = ctx.empty(parts.front().shape, dtype);
  const int64_t size = dtype_size(dtype);
  for (const FilePart& part : parts) {
    const Tensor ours = source(part.parameter, {part.offset, part.offset + part.elements}, dtype);
    std::byte* to = static_cast<std::byte*>(whole.raw()) + part.file_offset * size;
    if (part.swap.is_identity()) {
      std::memcpy(to, ours.raw(), static_cast<size_t>(ours.bytes()));
    } else {
      rearrange(ctx, bytes_of(ours).data(), part.swap.inverse(), {0, part.elements}, size, to);
    }
  }
  return whole;
}

}  // namespace

LayoutWriter::LayoutWriter(const NameLayout& layout, const ModelSpec& spec, DType dtype,
                           bool tied_head)
    : LayoutWriter(
          layout, spec, [dtype](int64_t) { return dtype; }, tied_head) {}

LayoutWriter::LayoutWriter(const NameLayout& layout, const ModelSpec& spec,
                           const std::function<DType(int64_t parameter)>& type_of, bool tied_head) {
  std::vector<FilePart> parts = file_parts(layout, spec, parameter_list(spec));
  if (tied_head && spec.tied_embeddings) {
    const Shape shape = {spec.vocab_size, spec.hidden_size};
    parts.push_back({head_name(layout), shape, /*parameter=*/0, 0, 0, shape.elements(), {}});
  }
  for (FilePart& part : parts) {
    std::vector<FilePart>& own = parts_[part.name];
    if (own.empty()) names_.push_back(part.name);
    const auto [type, is_new] = types_.emplace(part.name, type_of(part.parameter));
    if (!is_new && type->second != type_of(part.parameter)) type->second = DType::f32;
    own.push_back(std::move(part));
  }
  for (auto& [name, own] : parts_) {
    std::ranges::sort(own, {}, &FilePart::file_offset);
    int64_t end = 0;
    for (const FilePart& part : own) {
      CADRE_CHECK(part.file_offset == end);
      end += part.elements;
    }
    CADRE_CHECK(end == own.front().shape.elements());
  }
}

std::vector<io::TensorEntry> LayoutWriter::entries() const {
  std::vector<io::TensorEntry> entries;
  for (const std::string& name : names_) {
    entries.push_back({name, types_.at(name), parts_.at(name).front().shape});
  }
  return entries;
}

int64_t LayoutWriter::bytes() const {
  int64_t bytes = 0;
  for (const io::TensorEntry& entry : entries()) bytes += entry.bytes();
  return bytes;
}

int64_t LayoutWriter::parameter_of(std::string_view name) const {
  return parts_.at(std::string(name)).front().parameter;
}

void LayoutWriter::for_each_piece(Context& ctx, std::string_view name, DType type,
                                  const ElementSource& source,
                                  const std::function<void(const Tensor& piece)>& visit) const {
  const std::vector<FilePart>& parts = parts_.at(std::string(name));
  const bool moves =
      std::ranges::any_of(parts, [](const FilePart& part) { return !part.swap.is_identity(); });
  if (moves) {
    const Tensor whole = assemble(ctx, parts, type, source);
    visit(whole.reshape({whole.elements()}));
    return;
  }
  for (const FilePart& part : parts) {
    const int64_t end = part.offset + part.elements;
    for (int64_t begin = part.offset; begin < end; begin += kChunk) {
      visit(source(part.parameter, {begin, std::min(begin + kChunk, end)}, type));
    }
  }
}

void LayoutWriter::write(Context& ctx, std::string_view name, const ElementSource& source,
                         io::ShardedSafetensorsWriter& files) const {
  for_each_piece(ctx, name, types_.at(std::string(name)), source,
                 [&](const Tensor& piece) { files.write(name, bytes_of(piece)); });
}

}  // namespace cadre::model
