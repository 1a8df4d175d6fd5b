#include <algorithm>
#include <cstring>
#include <optional>

#include "core/io/json.h"
#include "core/io/safetensors.h"

namespace cadre::io {
namespace {

constexpr std::string_view kMetadata = "__metadata__";
constexpr size_t kDataAlignment = 64;

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'a' && c <= 'z') return std::nullopt;  // "f32" is not a name of the format
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return dtype_from_name(lower);
}

// Element types that the format knows and Tensor does not.
bool is_foreign_dtype(std::string_view name) {
  constexpr std::string_view kForeign[] = {"U16", "U32",     "U64",     "C64",
                                           "F4",  "F8_E8M0", "F6_E2M3", "F6_E3M2"};
  return std::find(std::begin(kForeign), std::end(kForeign), name) != std::end(kForeign);
}

TensorInfo parse_tensor(const std::string& name, const JsonView& entry, uint64_t data_size) {
  TensorInfo info;
  info.name = name;
  for (const std::string& key : entry.keys()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      fail(ErrorKind::corrupt_data, "{}: \"{}\" is not a key of a tensor", entry.where(), key);
    }
  }
  const std::string dtype = entry.string("dtype");
  const std::optional<DType> known = dtype_from_safetensors(dtype);
  if (!known) {
    fail(is_foreign_dtype(dtype) ? ErrorKind::unsupported : ErrorKind::corrupt_data,
         "{}: element type \"{}\" is unknown", entry.where(), dtype);
  }
  info.dtype = *known;

  const std::vector<int64_t> extents = [&] {
    entry.array("shape");
    return entry.integer_list("shape");
  }();
  if (extents.size() > static_cast<size_t>(Shape::kMaxRank)) {
    fail(ErrorKind::unsupported, "{}: has {} dimensions, expected at most {}", entry.where(),
         extents.size(), Shape::kMaxRank);
  }
  try {
    info.shape = Shape(std::span<const int64_t>(extents));
  } catch (const Error& error) {
    fail(ErrorKind::corrupt_data, "{}: {}", entry.where(), error.what());
  }

  entry.array("data_offsets");
  const std::vector<int64_t> offsets = entry.integer_list("data_offsets");
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0] ||
      static_cast<uint64_t>(offsets[1]) > data_size) {
    fail(ErrorKind::corrupt_data, "{}: data_offsets is {}, expected 0 <= begin <= end <= {}",
         entry.where(), entry.at("data_offsets").value().dump(), data_size);
  }
  info.begin = offsets[0];
  info.end = offsets[1];
  int64_t bytes = 0;
  if (__builtin_mul_overflow(info.shape.elements(), dtype_size(info.dtype), &bytes) ||
      bytes != info.end - info.begin) {
    fail(ErrorKind::corrupt_data, "{}: data_offsets hold {} bytes, expected {} for {} {}",
         entry.where(), info.end - info.begin, bytes, dtype, to_string(info.shape));
  }
  return info;
}

// The tensors must lie end to end and fill the data: no overlap and no byte that nobody owns.
void check_layout(const std::vector<TensorInfo>& tensors, uint64_t data_size,
                  const std::string& where) {
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& info : tensors) order.push_back(&info);
  std::sort(order.begin(), order.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
  });
  int64_t end = 0;
  for (const TensorInfo* info : order) {
    if (info->begin != end) {
      fail(ErrorKind::corrupt_data, "{}: \"{}\" begins at byte {} of the data, expected {}: {}",
           where, info->name, info->begin, end,
           info->begin < end ? "tensors overlap" : "bytes between tensors belong to none");
    }
    end = info->end;
  }
  if (static_cast<uint64_t>(end) != data_size) {
    fail(ErrorKind::corrupt_data, "{}: the tensors end at byte {} of the data, which has {}", where,
         end, data_size);
  }
}

}  // namespace

std::string safetensors_dtype_name(DType dtype) {
  std::string name(dtype_name(dtype));
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_size,
                                           const std::string& where) {
  if (json.empty() || json.front() != '{') {
    fail(ErrorKind::corrupt_data, "{}: the header does not start with \"{{\"", where);
  }
  const JsonView root = JsonView::parse(json, where, {.max_depth = 4});
  SafetensorsHeader header;
  for (const std::string& name : root.keys()) {
    const JsonView entry = root.object(name);
    if (name == kMetadata) {
      for (const std::string& key : entry.keys()) header.metadata[key] = entry.string(key);
    } else {
      header.tensors.push_back(parse_tensor(name, entry, data_size));
    }
  }
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  check_layout(header.tensors, data_size, where);
  return header;
}

std::string format_safetensors_header(const std::vector<TensorInfo>& tensors,
                                      const std::map<std::string, std::string>& metadata) {
  JsonValue root = JsonValue::object();
  if (!metadata.empty()) {
    JsonValue strings = JsonValue::object();
    for (const auto& [key, value] : metadata) strings.set(key, value);
    root.set(kMetadata, std::move(strings));
  }
  for (const TensorInfo& info : tensors) {
    JsonValue entry = JsonValue::object();
    JsonValue shape = JsonValue::array();
    for (const int64_t extent : info.shape.extents()) shape.push(extent);
    entry.set("dtype", safetensors_dtype_name(info.dtype)).set("shape", std::move(shape));
    entry.set("data_offsets", JsonValue::array().push(info.begin).push(info.end));
    root.set(info.name, std::move(entry));
  }
  std::string json = root.dump();
  const size_t used = sizeof(uint64_t) + json.size();
  json.append((kDataAlignment - used % kDataAlignment) % kDataAlignment, ' ');
  if (json.size() > kMaxSafetensorsHeader) {
    fail(ErrorKind::invalid_input,
         "a safetensors header for {} tensors has {} bytes, expected at "
         "most {}",
         tensors.size(), json.size(), kMaxSafetensorsHeader);
  }
  std::string out;
  for (size_t i = 0; i < sizeof(uint64_t); ++i) {
    out += static_cast<char>((static_cast<uint64_t>(json.size()) >> (8 * i)) & 0xffu);
  }
  return out + json;
}

}  // namespace cadre::io
