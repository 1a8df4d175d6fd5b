// GGUF files written by hand, to be broken at will.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace cadre {

template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

inline std::string gguf_text(std::string_view text) {
  return raw(static_cast<uint64_t>(text.size())) + std::string(text);
}

inline std::string gguf_header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
  return "GGUF" + raw(version) + raw(tensors) + raw(keys);
}

// A key with the bytes of its value.
inline std::string gguf_pair(std::string_view key, uint32_t kind, std::string_view value) {
  return gguf_text(key) + raw(kind) + std::string(value);
}

// Extents innermost first, as in the file.
inline std::string gguf_info(std::string_view name, std::initializer_list<uint64_t> extents,
                             uint32_t type, uint64_t offset) {
  std::string info = gguf_text(name) + raw(static_cast<uint32_t>(extents.size()));
  for (const uint64_t extent : extents) info += raw(extent);
  return info + raw(type) + raw(offset);
}

inline std::string gguf_padded(std::string header, std::string_view data, size_t alignment = 32) {
  header.resize((header.size() + alignment - 1) / alignment * alignment);
  return header + std::string(data);
}

}  // namespace cadre
