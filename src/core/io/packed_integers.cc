#include "core/io/packed_integers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/base/error.h"
#include "core/tensor/contents.h"

namespace cadre::io {
namespace {

constexpr std::string_view kPacked = "_packed";
constexpr int64_t kBlock = 32;

// What belongs to one weight.
struct Parts {
  std::string packed, scale, zero;  // names; zero is empty if symmetric
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t groups = 0;
  int bits = 0;
  int64_t word_columns = 0;  // i32 of a row
};

[[noreturn]] void fail_part(const TensorSource& source, const TensorInfo& info,
                            std::string_view expected) {
  fail(ErrorKind::corrupt_data, "{}: \"{}\" is {} {}, expected {}",
       source.file_of(info.name).string(), info.name, dtype_name(info.dtype), to_string(info.shape),
       expected);
}

const TensorInfo& require(const TensorSource& source, const TensorInfo& packed,
                          const std::string& name) {
  const TensorInfo* info = source.find(name);
  if (info == nullptr) {
    fail(ErrorKind::corrupt_data, "{}: \"{}\" is there without \"{}\"",
         source.file_of(packed.name).string(), packed.name, name);
  }
  return *info;
}

int bits_of(const TensorSource& source, const TensorInfo& packed, int64_t columns) {
  const int64_t words = packed.shape.dim(1);
  for (const int bits : {4, 8}) {
    const int64_t in_word = 32 / bits;
    if (words == (columns + in_word - 1) / in_word) return bits;
  }
  fail(ErrorKind::unsupported, "{}: \"{}\" has {} words for {} columns, expected 4 or 8 bits each",
       source.file_of(packed.name).string(), packed.name, words, columns);
}

Parts parts_of(const TensorSource& source, const TensorInfo& packed) {
  const std::string base = packed.name.substr(0, packed.name.size() - kPacked.size());
  if (source.contains(base + "_g_idx")) {
    fail(ErrorKind::unsupported, "{}: \"{}_g_idx\": columns in another order are not supported",
         source.file_of(packed.name).string(), base);
  }
  const TensorInfo& scale = require(source, packed, base + "_scale");
  const TensorInfo& shape = require(source, packed, base + "_shape");
  if (packed.dtype != DType::i32 || packed.shape.rank() != 2) {
    fail_part(source, packed, "i32 of rank 2");
  }
  if (shape.dtype != DType::i64 || !(shape.shape == Shape{2})) {
    fail_part(source, shape, "i64 [2]");
  }
  const Tensor extents = source.tensor(shape.name);
  Parts parts;
  parts.packed = packed.name;
  parts.scale = scale.name;
  parts.rows = extents.data<int64_t>()[0];
  parts.columns = extents.data<int64_t>()[1];
  parts.word_columns = packed.shape.dim(1);
  // Its words bound the columns, so nothing below can overflow.
  if (parts.rows != packed.shape.dim(0) || parts.columns < 1 ||
      parts.columns > 8 * parts.word_columns) {
    fail(ErrorKind::corrupt_data, "{}: \"{}\" says [{}, {}], but \"{}\" is {}",
         source.file_of(packed.name).string(), shape.name, parts.rows, parts.columns, packed.name,
         to_string(packed.shape));
  }
  parts.bits = bits_of(source, packed, parts.columns);
  const bool known =
      scale.dtype == DType::f32 || scale.dtype == DType::bf16 || scale.dtype == DType::f16;
  if (!known || scale.shape.rank() != 2 || scale.shape.dim(0) != parts.rows ||
      scale.shape.dim(1) < 1 || parts.columns % scale.shape.dim(1) != 0) {
    fail_part(source, scale, "f32, bf16 or f16 [rows, groups]");
  }
  parts.groups = scale.shape.dim(1);
  if (const TensorInfo* zero = source.find(base + "_zero_point"); zero != nullptr) {
    const int64_t in_word = 32 / parts.bits;
    const Shape expected = {(parts.rows + in_word - 1) / in_word, parts.groups};
    if (zero->dtype != DType::i32 || !(zero->shape == expected)) {
      fail_part(source, *zero, "i32 " + to_string(expected));
    }
    parts.zero = zero->name;
  }
  return parts;
}

// Integer i of a row of packed words, without its offset.
int unsigned_at(const uint8_t* row, int64_t i, int bits) {
  return bits == 8 ? row[i] : (row[i / 2] >> (i % 2 * 4)) & 15;
}

class PackedIntegers final : public TensorSource {
 public:
  PackedIntegers(std::shared_ptr<const TensorSource> source,
                 std::unordered_map<std::string, Parts> weights)
      : source_(std::move(source)), weights_(std::move(weights)) {
    std::unordered_set<std::string> own;
    for (const auto& [name, parts] : weights_) {
      own.insert({parts.packed, parts.scale, name + "_shape"});
      if (!parts.zero.empty()) own.insert(parts.zero);
      TensorInfo info;
      info.name = name;
      info.shape = {parts.rows, parts.columns};
      info.blocks = blocks_of(parts);
      info.dtype = info.blocks ? DType::f32 : source_->find(parts.scale)->dtype;
      for (const std::string& part : {parts.packed, parts.scale}) {
        const TensorInfo* stored = source_->find(part);
        info.end += stored->end - stored->begin;
      }
      tensors_.push_back(std::move(info));
    }
    for (const TensorInfo& info : source_->tensors()) {
      if (!own.contains(info.name)) tensors_.push_back(info);
    }
    std::ranges::sort(tensors_, {}, &TensorInfo::name);
  }

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  std::string_view stored_type(std::string_view name) const override {
    const auto found = weights_.find(std::string(name));
    if (found == weights_.end()) return source_->stored_type(name);
    return found->second.bits == 4 ? "int4" : "int8";
  }
  const std::filesystem::path& file_of(std::string_view name) const override {
    const auto found = weights_.find(std::string(name));
    return source_->file_of(found == weights_.end() ? name : found->second.packed);
  }

  Tensor tensor(std::string_view name) const override {
    const auto found = weights_.find(std::string(name));
    if (found == weights_.end()) return source_->tensor(name);
    const TensorInfo* info = find(name);
    CADRE_CHECK(!info->blocks);
    Tensor made = Tensor::empty(info->shape, info->dtype);
    make_elements(found->second, info->dtype, {0, made.elements()}, made.raw());
    return made;
  }

  bool is_made(std::string_view name) const override {
    return weights_.contains(std::string(name)) || source_->is_made(name);
  }

  void make(std::string_view name, Range elements, void* out) const override {
    const auto found = weights_.find(std::string(name));
    if (found == weights_.end()) return source_->make(name, elements, out);
    const TensorInfo* info = find(name);
    if (info->blocks) {
      CADRE_CHECK(elements.begin % kBlock == 0 && elements.end % kBlock == 0);
      make_blocks(found->second, {elements.begin / kBlock, elements.end / kBlock}, out);
    } else {
      make_elements(found->second, info->dtype, elements, out);
    }
  }

  std::span<const std::byte> blocks(std::string_view name) const override {
    const auto found = weights_.find(std::string(name));
    if (found == weights_.end()) return source_->blocks(name);
    const std::lock_guard lock(mutex_);
    std::vector<std::byte>& made = made_[found->first];
    if (made.empty()) {
      const TensorInfo* info = find(name);
      const int64_t count = info->shape.elements() / kBlock;
      made.resize(static_cast<size_t>(count * block_layout(*info->blocks).bytes));
      make_blocks(found->second, {0, count}, made.data());
    }
    return made;
  }

  std::span<const std::byte> mapped(std::string_view name) const override {
    const auto found = weights_.find(std::string(name));
    return source_->mapped(found == weights_.end() ? name : found->second.packed);
  }

  void release(std::string_view name) const override {
    const auto found = weights_.find(std::string(name));
    if (found == weights_.end()) return source_->release(name);
    {
      const std::lock_guard lock(mutex_);
      made_.erase(found->first);
    }
    source_->release(found->second.packed);
    source_->release(found->second.scale);
  }

 private:
  // The type that holds the same values, if there is one.
  std::optional<BlockType> blocks_of(const Parts& parts) const {
    if (!parts.zero.empty() || parts.columns / parts.groups % kBlock != 0) return std::nullopt;
    // The scales themselves are not looked at: opening a model reads headers only.
    if (source_->find(parts.scale)->dtype == DType::f32) return std::nullopt;
    return parts.bits == 4 ? BlockType::q4_0 : BlockType::q8_0;
  }

  // Of the rows [begin, end) alone.
  std::vector<float> scales_of(const Parts& parts, int64_t begin, int64_t end) const {
    return f32_values(source_->tensor(parts.scale).slice(begin, end));
  }

  void make_blocks(const Parts& parts, Range range, void* to) const {
    if (range.size() == 0) return;
    const Tensor packed = source_->tensor(parts.packed);
    const int64_t in_row = parts.columns / kBlock;
    const int64_t first_row = range.begin / in_row;
    const std::vector<float> scales =
        scales_of(parts, first_row, (range.end + in_row - 1) / in_row);
    for (const float scale : scales) {
      if (std::fabs(scale) <= 65504.0f) continue;
      fail(ErrorKind::unsupported, "{}: \"{}\" holds {}, expected numbers up to 65504",
           source_->file_of(parts.scale).string(), parts.scale, scale);
    }
    const BlockLayout layout = block_layout(parts.bits == 4 ? BlockType::q4_0 : BlockType::q8_0);
    auto* out = static_cast<uint8_t*>(to);
    for (int64_t b = range.begin; b < range.end; ++b, out += layout.bytes) {
      const int64_t row = b / in_row;
      const int64_t first = b % in_row * kBlock;
      const int64_t group = first / (parts.columns / parts.groups);
      const f16 scale =
          to_f16(scales[static_cast<size_t>((row - first_row) * parts.groups + group)]);
      std::memcpy(out, &scale, sizeof(scale));
      const auto* words = static_cast<const uint8_t*>(packed.raw()) + row * parts.word_columns * 4;
      for (int64_t i = 0; i < kBlock; ++i) {
        const int q = unsigned_at(words, first + i, parts.bits);
        if (parts.bits == 8) {
          out[2 + i] = static_cast<uint8_t>(q - 128);
        } else {
          uint8_t& byte = out[2 + i % 16];
          byte = static_cast<uint8_t>(i < 16 ? q : byte | q << 4);
        }
      }
    }
  }

  void make_elements(const Parts& parts, DType dtype, Range range, void* out) const {
    if (range.size() == 0) return;
    const Tensor packed = source_->tensor(parts.packed);
    const int64_t first_row = range.begin / parts.columns;
    const std::vector<float> scales =
        scales_of(parts, first_row, (range.end + parts.columns - 1) / parts.columns);
    const Tensor zero = parts.zero.empty() ? Tensor() : source_->tensor(parts.zero);
    const int half = 1 << (parts.bits - 1);
    const int64_t in_word = 32 / parts.bits;
    const int64_t width = parts.columns / parts.groups;  // of a group
    for (int64_t at = range.begin; at < range.end;) {
      const int64_t row = at / parts.columns;
      const auto* words = static_cast<const uint8_t*>(packed.raw()) + row * parts.word_columns * 4;
      const float* own = scales.data() + (row - first_row) * parts.groups;
      for (const int64_t end = std::min(range.end, (row + 1) * parts.columns); at < end; ++at) {
        const int64_t column = at - row * parts.columns;
        const int64_t group = column / width;
        int offset = half;
        if (zero.defined()) {
          const auto word =
              static_cast<uint32_t>(zero.data<int32_t>()[row / in_word * parts.groups + group]);
          offset = static_cast<int>(word >> (row % in_word * parts.bits)) & (2 * half - 1);
        }
        const float value =
            static_cast<float>(unsigned_at(words, column, parts.bits) - offset) * own[group];
        const int64_t i = at - range.begin;
        if (dtype == DType::f32) static_cast<float*>(out)[i] = value;
        if (dtype == DType::bf16) static_cast<bf16*>(out)[i] = to_bf16(value);
        if (dtype == DType::f16) static_cast<f16*>(out)[i] = to_f16(value);
      }
    }
  }

  std::shared_ptr<const TensorSource> source_;
  std::unordered_map<std::string, Parts> weights_;
  std::vector<TensorInfo> tensors_;
  mutable std::mutex mutex_;  // guards made_
  mutable std::unordered_map<std::string, std::vector<std::byte>> made_;
};

}  // namespace

std::shared_ptr<const TensorSource> with_packed_integers(
    std::shared_ptr<const TensorSource> source) {
  std::unordered_map<std::string, Parts> weights;
  for (const TensorInfo& info : source->tensors()) {
    if (!info.name.ends_with(kPacked)) continue;
    std::string name = info.name.substr(0, info.name.size() - kPacked.size());
    if (source->contains(name)) {
      fail(ErrorKind::corrupt_data, "{}: \"{}\" is there beside \"{}\", of which it is made",
           source->file_of(name).string(), name, info.name);
    }
    Parts parts = parts_of(*source, info);
    weights.emplace(std::move(name), std::move(parts));
  }
  if (weights.empty()) return source;
  return std::make_shared<const PackedIntegers>(std::move(source), std::move(weights));
}

std::vector<std::byte> pack_integers(std::span<const int8_t> quants, int64_t width, int bits) {
  CADRE_CHECK(bits == 4 || bits == 8);
  const int64_t rows = static_cast<int64_t>(quants.size()) / width;
  const int64_t in_word = 32 / bits;
  const int64_t row_bytes = (width + in_word - 1) / in_word * 4;
  std::vector<std::byte> bytes(static_cast<size_t>(rows * row_bytes));
  for (int64_t row = 0; row < rows; ++row) {
    auto* out = reinterpret_cast<uint8_t*>(bytes.data()) + row * row_bytes;
    for (int64_t i = 0; i < width; ++i) {
      const int q = quants[static_cast<size_t>(row * width + i)] + (1 << (bits - 1));
      if (bits == 8) {
        out[i] = static_cast<uint8_t>(q);
      } else {
        out[i / 2] = static_cast<uint8_t>(out[i / 2] | q << (i % 2 * 4));
      }
    }
  }
  return bytes;
}

}  // namespace cadre::io
