// Tokens of words met before.
//
// Few words make up most of a text, and looking one up costs a tenth of merging it. The cache is
// direct-mapped with one line of memory per word, so it needs no eviction and a miss costs little;
// long words and words of many tokens are not kept. It changes no result. For one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace cadre::text {

class WordCache {
 public:
  static constexpr size_t kMaxBytes = 24;
  static constexpr size_t kMaxIds = 8;

  // A word in three registers: overlapping pieces of it, which with its length say it exactly.
  struct Key {
    std::array<uint64_t, 3> parts;
    uint8_t size;
  };

  // slots is a power of two; a slot takes 64 bytes.
  explicit WordCache(size_t slots = 0) : entries_(slots) {}
  size_t slots() const { return entries_.size(); }

  // 1 <= word.size() <= kMaxBytes.
  static Key key_of(std::string_view word) {
    const char* p = word.data();
    const size_t n = word.size();
    Key key = {{0, 0, 0}, static_cast<uint8_t>(n)};
    if (n >= 8) {
      key.parts[0] = load<uint64_t>(p);
      key.parts[1] = load<uint64_t>(p + n - 8);
      if (n > 16) key.parts[2] = load<uint64_t>(p + 8);
    } else if (n >= 4) {
      key.parts[0] = load<uint32_t>(p) | static_cast<uint64_t>(load<uint32_t>(p + n - 4)) << 32;
    } else {
      const auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(p[i])); };
      key.parts[0] = byte(0) | byte(n / 2) << 8 | byte(n - 1) << 16;
    }
    return key;
  }

  // The tokens of the word, if they are here; valid until the next store. An empty span is an
  // answer too, so absence is `found == false`.
  std::span<const int32_t> find(const Key& key, bool& found) const {
    const Entry& entry = entries_[slot_of(key)];
    found = entry.size == key.size && entry.parts == key.parts;
    return {entry.ids.data(), entry.count};
  }

  void store(const Key& key, std::span<const int32_t> ids) {
    if (ids.size() > kMaxIds) return;
    Entry& entry = entries_[slot_of(key)];
    entry.parts = key.parts;
    entry.size = key.size;
    entry.count = static_cast<uint8_t>(ids.size());
    std::copy(ids.begin(), ids.end(), entry.ids.begin());
  }

 private:
  struct alignas(64) Entry {
    std::array<uint64_t, 3> parts;
    std::array<int32_t, kMaxIds> ids;
    uint8_t size = 0;  // of the word in bytes; 0 is empty
    uint8_t count = 0;
  };

  template <typename T>
  static T load(const char* p) {
    T value;
    std::memcpy(&value, p, sizeof(T));
    return value;
  }

  size_t slot_of(const Key& key) const {
    uint64_t h = key.parts[0] * 0x9e3779b97f4a7c15ull ^ key.parts[1] * 0xd1342543de82ef95ull ^
                 (key.parts[2] + key.size) * 0xbf58476d1ce4e5b9ull;
    h ^= h >> 32;
    h *= 0x94d049bb133111ebull;
    return (h >> 32) & (entries_.size() - 1);
  }

  std::vector<Entry> entries_;
};

}  // namespace cadre::text
