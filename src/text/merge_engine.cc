#include "text/merge_engine.h"

namespace cadre::text {
namespace {

// Up to this many symbols, looking through all pairs beats a heap; words of prose have about five.
constexpr size_t kShort = 48;

void merge_by_scan(const MergeTable& table, MergeScratch& scratch) {
  std::vector<int32_t>& ids = scratch.ids;
  std::vector<MergeTable::Merge>& merges = scratch.merges;  // merges[i] joins ids[i] and ids[i + 1]
  size_t count = ids.size();
  if (count < 2) return;
  merges.resize(count - 1);
  for (size_t i = 0; i + 1 < count; ++i) merges[i] = table.find(ids[i], ids[i + 1]);
  while (true) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (MergeTable::rank(merges[i]) < MergeTable::rank(merges[best])) best = i;
    }
    if (merges[best] == MergeTable::kNone) break;
    ids[best] = MergeTable::merged_id(merges[best]);
    std::copy(ids.begin() + best + 2, ids.begin() + count, ids.begin() + best + 1);
    --count;
    if (count == 1) break;
    if (best + 1 < count) {
      std::copy(merges.begin() + best + 2, merges.begin() + count, merges.begin() + best + 1);
      merges[best] = table.find(ids[best], ids[best + 1]);
    }
    if (best > 0) merges[best - 1] = table.find(ids[best - 1], ids[best]);
  }
  ids.resize(count);
}

}  // namespace

void merge_symbols(const MergeTable& table, MergeScratch& scratch) {
  if (scratch.ids.size() <= kShort) {
    merge_by_scan(table, scratch);
  } else {
    merge_with_heap(table, scratch, [](int32_t, int32_t, MergeTable::Merge) {});
  }
}

}  // namespace cadre::text
