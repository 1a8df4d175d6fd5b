#include "core/io/gguf_writer.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/io/json_value.h"

namespace cadre::io {
namespace {

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append_string(std::string& out, std::string_view text) {
  append(out, static_cast<uint64_t>(text.size()));
  out += text;
}

void append_kind(std::string& out, GgufKind kind) { append(out, static_cast<uint32_t>(kind)); }

template <typename T>
constexpr GgufKind kind_of() {
  if constexpr (std::is_same_v<T, uint32_t>) return GgufKind::u32;
  if constexpr (std::is_same_v<T, int32_t>) return GgufKind::i32;
  if constexpr (std::is_same_v<T, float>) return GgufKind::f32;
  if constexpr (std::is_same_v<T, bool>) return GgufKind::boolean;
  if constexpr (std::is_same_v<T, std::string>) return GgufKind::string;
  if constexpr (std::is_same_v<T, uint64_t>) return GgufKind::u64;
  if constexpr (std::is_same_v<T, int64_t>) return GgufKind::i64;
  return GgufKind::f64;
}

// A number or a string, without its kind.
template <typename T>
void append_plain(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    append_string(out, value);
  } else {
    append(out, value);
  }
}

template <typename T>
void append_value(std::string& out, const T& value) {
  append_kind(out, kind_of<T>());
  append_plain(out, value);
}

template <typename T>
void append_value(std::string& out, const std::vector<T>& values) {
  append_kind(out, GgufKind::array);
  append_kind(out, kind_of<T>());
  append(out, static_cast<uint64_t>(values.size()));
  for (const T& value : values) append_plain(out, value);
}

void check_entries(const std::vector<GgufEntry>& entries, const std::filesystem::path& path) {
  std::set<std::string_view> names;
  for (const GgufEntry& entry : entries) {
    if (entry.name.empty() || entry.name.size() >= kMaxGgufName ||
        !names.insert(entry.name).second || entry.shape.rank() > 4) {
      fail(ErrorKind::invalid_input,
           "{}: {} {} cannot be a tensor of GGUF: its name is empty, taken or longer than {} "
           "bytes, or it has more than 4 dimensions",
           path.string(), json_quote(entry.name), to_string(entry.shape), kMaxGgufName - 1);
    }
    const int64_t width = entry.shape.rank() == 0 ? 1 : entry.shape.dim(-1);
    if (width % entry.type->block_elements != 0) {
      fail(ErrorKind::invalid_input, "{}: {} {} has rows of {}, expected a multiple of {} for {}",
           path.string(), json_quote(entry.name), to_string(entry.shape), width,
           entry.type->block_elements, entry.type->name);
    }
  }
}

uint64_t aligned(uint64_t size) {
  return (size + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment;
}

std::string format_header(const GgufMetadata& metadata, const std::vector<GgufEntry>& entries) {
  std::string out = "GGUF";
  append(out, uint32_t{3});
  append(out, static_cast<uint64_t>(entries.size()));
  append(out, static_cast<uint64_t>(metadata.pairs().size()));
  for (const auto& [key, value] : metadata.pairs()) {
    append_string(out, key);
    std::visit([&out](const auto& plain) { append_value(out, plain); }, value);
  }
  uint64_t offset = 0;
  for (const GgufEntry& entry : entries) {
    append_string(out, entry.name);
    append(out, static_cast<uint32_t>(entry.shape.rank()));
    for (int i = entry.shape.rank() - 1; i >= 0; --i) {
      append(out, static_cast<uint64_t>(entry.shape.dim(i)));
    }
    append(out, entry.type->number);
    append(out, offset);
    offset = aligned(offset + static_cast<uint64_t>(entry.bytes()));
  }
  return out;
}

}  // namespace

void GgufMetadata::set(std::string_view key, Value value) {
  const auto found = std::ranges::find(pairs_, key, &std::pair<std::string, Value>::first);
  if (found != pairs_.end()) {
    found->second = std::move(value);
  } else {
    pairs_.emplace_back(key, std::move(value));
  }
}

const GgufMetadata::Value* GgufMetadata::find(std::string_view key) const {
  const auto found = std::ranges::find(pairs_, key, &std::pair<std::string, Value>::first);
  return found == pairs_.end() ? nullptr : &found->second;
}

int64_t GgufEntry::bytes() const {
  return shape.elements() / type->block_elements * type->block_bytes;
}

int64_t gguf_header_bytes(const GgufMetadata& metadata, const std::vector<GgufEntry>& entries) {
  return static_cast<int64_t>(aligned(format_header(metadata, entries).size()));
}

GgufWriter::GgufWriter(std::filesystem::path path, const GgufMetadata& metadata,
                       std::vector<GgufEntry> entries)
    : path_(std::move(path)),
      temporary_(path_.string() + ".tmp" + std::to_string(::getpid())),
      entries_(std::move(entries)),
      writer_(temporary_) {
  try {
    check_entries(entries_, path_);
    writer_.write(format_header(metadata, entries_));
    pad();
    skip_complete();
  } catch (...) {
    ::unlink(temporary_.c_str());
    throw;
  }
}

GgufWriter::~GgufWriter() {
  if (!finished_) ::unlink(temporary_.c_str());
}

void GgufWriter::pad() {
  static constexpr char kZeros[kGgufAlignment] = {};
  const uint64_t size = writer_.bytes_written();
  writer_.write(kZeros, static_cast<size_t>(aligned(size) - size));
}

void GgufWriter::skip_complete() {
  while (next_ < entries_.size() && written_ == entries_[next_].bytes()) {
    pad();
    ++next_;
    written_ = 0;
  }
}

void GgufWriter::write(std::string_view name, std::span<const std::byte> piece) {
  if (piece.empty()) return;
  CADRE_CHECK(next_ < entries_.size() && entries_[next_].name == name);
  CADRE_CHECK(static_cast<int64_t>(piece.size()) <= entries_[next_].bytes() - written_);
  writer_.write(piece.data(), piece.size());
  written_ += static_cast<int64_t>(piece.size());
  skip_complete();
}

void GgufWriter::finish() {
  CADRE_CHECK(!finished_ && next_ == entries_.size());
  writer_.finish();
  std::error_code error;
  std::filesystem::rename(temporary_, path_, error);
  if (error) {
    fail(ErrorKind::invalid_input, "{}: cannot replace: {}", path_.string(), error.message());
  }
  finished_ = true;
  sync_folder(path_.parent_path());
}

}  // namespace cadre::io
