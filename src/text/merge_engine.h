// The loop of byte-pair encoding: symbols next to each other become one, best merge first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "text/merge_table.h"

namespace cadre::text {

// Memory that calls reuse; one per thread.
struct MergeScratch {
  struct Symbol {
    int32_t id;
    int32_t previous;
    int32_t next;
  };
  struct Candidate {
    MergeTable::Merge merge;
    int32_t at;
  };
  std::vector<int32_t> ids;  // the symbols of a word, before and after
  std::vector<MergeTable::Merge> merges;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

// Replaces scratch.ids by what is left when no pair of neighbours has a merge any more. Of all
// pairs the one of lowest rank merges first, the leftmost among equals. O(n log n).
void merge_symbols(const MergeTable& table, MergeScratch& scratch);

// The same with symbols in a linked list and candidates in a heap. A candidate is out of date when
// its pair is gone or has become another pair; then its merge is no longer what the table says and
// it is dropped. on_candidate(left, right, merge) sees each candidate as it is found.
template <typename OnCandidate>
void merge_with_heap(const MergeTable& table, MergeScratch& scratch,
                     const OnCandidate& on_candidate) {
  using Candidate = MergeScratch::Candidate;
  const auto later = [](const Candidate& a, const Candidate& b) {
    const uint32_t rank_a = MergeTable::rank(a.merge);
    const uint32_t rank_b = MergeTable::rank(b.merge);
    return rank_a != rank_b ? rank_a > rank_b : a.at > b.at;
  };
  std::vector<MergeScratch::Symbol>& symbols = scratch.symbols;
  std::vector<Candidate>& heap = scratch.heap;
  const auto count = static_cast<int32_t>(scratch.ids.size());
  if (count < 2) return;
  symbols.resize(count);
  heap.clear();
  for (int32_t i = 0; i < count; ++i) {
    symbols[i] = {scratch.ids[i], i - 1, i + 1 < count ? i + 1 : -1};
    if (i + 1 == count) break;
    const MergeTable::Merge merge = table.find(scratch.ids[i], scratch.ids[i + 1]);
    if (merge == MergeTable::kNone) continue;
    on_candidate(scratch.ids[i], scratch.ids[i + 1], merge);
    heap.push_back({merge, i});
  }
  std::make_heap(heap.begin(), heap.end(), later);
  const auto consider = [&](int32_t at) {
    const int32_t right = symbols[symbols[at].next].id;
    const MergeTable::Merge merge = table.find(symbols[at].id, right);
    if (merge == MergeTable::kNone) return;
    on_candidate(symbols[at].id, right, merge);
    heap.push_back({merge, at});
    std::push_heap(heap.begin(), heap.end(), later);
  };
  while (!heap.empty()) {
    const Candidate top = heap.front();
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
    MergeScratch::Symbol& left = symbols[top.at];
    if (left.id < 0 || left.next < 0) continue;
    MergeScratch::Symbol& right = symbols[left.next];
    if (table.find(left.id, right.id) != top.merge) continue;
    left.id = MergeTable::merged_id(top.merge);
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[left.next].previous = top.at;
    if (left.previous >= 0) consider(left.previous);
    if (left.next >= 0) consider(top.at);
  }
  scratch.ids.clear();
  for (int32_t i = 0; i >= 0; i = symbols[i].next) scratch.ids.push_back(symbols[i].id);
}

}  // namespace cadre::text
