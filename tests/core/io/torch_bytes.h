// Archives as torch.save writes them, put together byte by byte, so that a test can spoil any of
// it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace cadre {

// `bytes` of `value`, least significant first.
inline std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xffu);
  return text;
}

// A zip archive of entries that are not compressed. Checksums are left at 0: nobody compares them.
inline std::string zip_bytes(const std::map<std::string, std::string>& entries, int method = 0) {
  std::string local;
  std::string directory;
  for (const auto& [name, data] : entries) {
    // version, flags, method, time and date; checksum; sizes; length of the name, no extra field
    const std::string common = little(20, 2) + little(0, 2) +
                               little(static_cast<uint64_t>(method), 2) + little(0, 4) +
                               little(0, 4) + little(data.size(), 4) + little(data.size(), 4) +
                               little(name.size(), 2) + little(0, 2);
    directory += std::string("PK\x01\x02") + little(20, 2) + common + little(0, 2) + little(0, 2) +
                 little(0, 2) + little(0, 4) + little(local.size(), 4) + name;
    local += std::string("PK\x03\x04") + common + name + data;
  }
  return local + directory + "PK\x05\x06" + little(0, 2) + little(0, 2) +
         little(entries.size(), 2) + little(entries.size(), 2) + little(directory.size(), 4) +
         little(local.size(), 4) + little(0, 2);
}

// --- values of a pickle
inline std::string pickle_text(const std::string& text) {
  return std::string("X") + little(text.size(), 4) + text;
}
inline std::string pickle_integer(int64_t value) {
  return std::string("\x8a\x08") + little(static_cast<uint64_t>(value), 8);
}
inline std::string pickle_global(const std::string& module, const std::string& name) {
  return std::string("c") + module + "\n" + name + "\n";
}

// A tensor of [2, 3] floats with the given strides in storage "0" of `count` elements.
struct PickledTensor {
  std::string storage = "FloatStorage";
  std::string key = "0";
  int64_t count = 6;
  int64_t offset = 0;
  int64_t rows = 2;
  int64_t columns = 3;
  int64_t row_stride = 3;
  int64_t column_stride = 1;

  std::string bytes() const {
    const std::string id = std::string("(") + pickle_text("storage") +
                           pickle_global("torch", storage) + pickle_text(key) + pickle_text("cpu") +
                           pickle_integer(count) + "tQ";
    return pickle_global("torch._utils", "_rebuild_tensor_v2") + "(" + id + pickle_integer(offset) +
           pickle_integer(rows) + pickle_integer(columns) + "\x86" + pickle_integer(row_stride) +
           pickle_integer(column_stride) + "\x86" + "\x89" + "}" + "tR";
  }
};

// The pickle of {name: value, ...}; values are pickled already.
inline std::string pickle_dict(const std::map<std::string, std::string>& items) {
  std::string pickle = "\x80\x02}(";
  for (const auto& [name, value] : items) pickle += pickle_text(name) + value;
  return pickle + "u.";
}

inline std::string torch_bytes(const std::string& pickle, const std::string& storage) {
  return zip_bytes({{"archive/data.pkl", pickle},
                    {"archive/data/0", storage},
                    {"archive/version", "3\n"},
                    {"archive/byteorder", "little"}});
}

}  // namespace cadre
