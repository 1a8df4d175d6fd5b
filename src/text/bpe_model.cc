#include "text/bpe_model.h"

#include <algorithm>

#include "core/base/error.h"

namespace cadre::text {
namespace {

// Up to this many symbols, looking through all pairs beats a heap; words of prose have about five.
constexpr size_t kShort = 48;

}  // namespace

BpeModel::BpeModel(BpeSpec spec)
    : byte_ids_(spec.byte_ids),
      merges_(static_cast<int64_t>(spec.merges.size())),
      unknown_id_(spec.unknown_id),
      fuse_unknown_(spec.fuse_unknown),
      ignore_merges_(spec.ignore_merges),
      words_(std::move(spec.words)) {
  uint32_t rank = 0;
  for (const BpeSpec::Merge& merge : spec.merges) {
    merges_.set(merge.left, merge.right, rank++, merge.merged);
  }
}

void BpeModel::encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const {
  if (ignore_merges_) {
    const auto found = words_.find(std::string(word));
    if (found != words_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  CADRE_CHECK(word.size() < 0x7fffffff);
  scratch.ids.clear();
  bool after_unknown = false;
  for (char byte : word) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    if (id >= 0) {
      scratch.ids.push_back(id);
    } else if (unknown_id_ >= 0 && !(fuse_unknown_ && after_unknown)) {
      scratch.ids.push_back(unknown_id_);
    }
    after_unknown = id < 0;
  }
  if (scratch.ids.size() <= kShort) {
    merge_short(scratch);
  } else {
    merge_long(scratch);
  }
  ids.insert(ids.end(), scratch.ids.begin(), scratch.ids.end());
}

void BpeModel::merge_short(Scratch& scratch) const {
  std::vector<int32_t>& ids = scratch.ids;
  std::vector<MergeTable::Merge>& merges = scratch.merges;  // merges[i] joins ids[i] and ids[i + 1]
  size_t count = ids.size();
  if (count < 2) return;
  merges.resize(count - 1);
  for (size_t i = 0; i + 1 < count; ++i) merges[i] = merges_.find(ids[i], ids[i + 1]);
  while (true) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (merges[i] < merges[best]) best = i;
    }
    if (merges[best] == MergeTable::kNone) break;
    ids[best] = MergeTable::merged_id(merges[best]);
    std::copy(ids.begin() + best + 2, ids.begin() + count, ids.begin() + best + 1);
    --count;
    if (count == 1) break;
    if (best + 1 < count) {
      std::copy(merges.begin() + best + 2, merges.begin() + count, merges.begin() + best + 1);
      merges[best] = merges_.find(ids[best], ids[best + 1]);
    }
    if (best > 0) merges[best - 1] = merges_.find(ids[best - 1], ids[best]);
  }
  ids.resize(count);
}

// Symbols in a linked list, candidate merges in a heap. A candidate is out of date when its pair is
// gone or has become another pair; then its merge is no longer what the table says and it is
// dropped.
void BpeModel::merge_long(Scratch& scratch) const {
  using Candidate = Scratch::Candidate;
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.merge != b.merge ? a.merge > b.merge : a.at > b.at;
  };
  std::vector<Scratch::Symbol>& symbols = scratch.symbols;
  std::vector<Candidate>& heap = scratch.heap;
  const auto count = static_cast<int32_t>(scratch.ids.size());
  symbols.resize(count);
  heap.clear();
  for (int32_t i = 0; i < count; ++i) {
    symbols[i] = {scratch.ids[i], i - 1, i + 1 < count ? i + 1 : -1};
    if (i + 1 == count) break;
    const MergeTable::Merge merge = merges_.find(scratch.ids[i], scratch.ids[i + 1]);
    if (merge != MergeTable::kNone) heap.push_back({merge, i});
  }
  std::make_heap(heap.begin(), heap.end(), later);
  const auto consider = [&](int32_t at) {
    const MergeTable::Merge merge = merges_.find(symbols[at].id, symbols[symbols[at].next].id);
    if (merge == MergeTable::kNone) return;
    heap.push_back({merge, at});
    std::push_heap(heap.begin(), heap.end(), later);
  };
  while (!heap.empty()) {
    const Candidate top = heap.front();
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
    Scratch::Symbol& left = symbols[top.at];
    if (left.id < 0 || left.next < 0) continue;
    Scratch::Symbol& right = symbols[left.next];
    if (merges_.find(left.id, right.id) != top.merge) continue;
    left.id = MergeTable::merged_id(top.merge);
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) {
      symbols[left.next].previous = top.at;
      consider(top.at);
    }
    if (left.previous >= 0) consider(left.previous);
  }
  scratch.ids.clear();
  for (int32_t i = 0; i >= 0; i = symbols[i].next) scratch.ids.push_back(symbols[i].id);
}

}  // namespace cadre::text
