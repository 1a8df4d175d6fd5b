#include "text/piece_trie.h"

#include <algorithm>
#include <array>
#include <bitset>

#include "core/base/error.h"

namespace cadre::text {

// Lays out the children of one node after the other, each family in the first of the last few
// blocks that has room for all of it.
class PieceTrie::Builder {
 public:
  using Entry = std::pair<std::string_view, int32_t>;

  Builder(const std::vector<Entry>& entries, std::vector<Node>& nodes)
      : entries_(entries), nodes_(nodes) {}

  void run() {
    if (entries_.empty()) return;
    add_block();
    used_[0].set(0);
    std::vector<Pending> pending = {{0, 0, entries_.size(), 0}};
    while (!pending.empty()) {
      const Pending p = pending.back();
      pending.pop_back();
      expand(p, pending);
    }
  }

 private:
  struct Pending {
    int32_t node;
    size_t begin;  // entries that share the node's path
    size_t end;
    size_t depth;
  };

  void add_block() {
    nodes_.resize(nodes_.size() + 256);
    used_.emplace_back();
  }

  void expand(Pending p, std::vector<Pending>& pending) {
    if (entries_[p.begin].first.size() == p.depth)
      nodes_[p.node].value = entries_[p.begin++].second;
    if (p.begin == p.end) return;
    bytes_.clear();
    std::array<size_t, 257> begins{};
    for (size_t i = p.begin; i < p.end; ++i) {
      const auto byte = static_cast<uint8_t>(entries_[i].first[p.depth]);
      if (bytes_.empty() || bytes_.back() != byte) {
        begins[bytes_.size()] = i;
        bytes_.push_back(byte);
      }
    }
    begins[bytes_.size()] = p.end;
    const int32_t base = find_base();
    nodes_[p.node].base = base;
    for (size_t i = 0; i < bytes_.size(); ++i) {
      const int32_t child = base ^ bytes_[i];
      nodes_[child].parent = p.node;
      used_[child >> 8].set(child & 255);
      pending.push_back({child, begins[i], begins[i + 1], p.depth + 1});
    }
  }

  int32_t find_base() {
    constexpr size_t kOpenBlocks = 16;
    const size_t first = used_.size() > kOpenBlocks ? used_.size() - kOpenBlocks : 0;
    for (size_t block = first; block < used_.size(); ++block) {
      if (256 - used_[block].count() < bytes_.size()) continue;
      for (int offset = 0; offset < 256; ++offset) {
        const auto is_free = [&](uint8_t byte) { return !used_[block][offset ^ byte]; };
        if (std::ranges::all_of(bytes_, is_free)) return static_cast<int32_t>(block << 8 | offset);
      }
    }
    add_block();
    return static_cast<int32_t>((used_.size() - 1) << 8);
  }

  const std::vector<Entry>& entries_;
  std::vector<Node>& nodes_;
  std::vector<std::bitset<256>> used_;
  std::vector<uint8_t> bytes_;  // of the children being placed, ascending
};

PieceTrie::PieceTrie(std::vector<std::pair<std::string_view, int32_t>> pieces,
                     std::string_view where) {
  size_t bytes = 0;
  for (const auto& [piece, value] : pieces) {
    bytes += piece.size();
    if (piece.size() > kMaxBytes) {
      fail(ErrorKind::unsupported, "{}: piece {} has {} bytes, at most {} are supported", where,
           value, piece.size(), kMaxBytes);
    }
  }
  if (bytes >= (size_t{1} << 30)) {
    fail(ErrorKind::unsupported, "{}: {} bytes of pieces, at most 2^30 are supported", where,
         bytes);
  }
  std::ranges::stable_sort(pieces, {}, &std::pair<std::string_view, int32_t>::first);
  std::vector<std::pair<std::string_view, int32_t>> distinct;
  for (const auto& entry : pieces) {
    if (entry.first.empty()) continue;
    if (!distinct.empty() && distinct.back().first == entry.first) distinct.pop_back();
    distinct.push_back(entry);
  }
  Builder(distinct, nodes_).run();
}

}  // namespace cadre::text
