// Which pages of a KV cache are in use, by how many sequences, and which hold something that may be
// wanted again.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/function_ref.h"

namespace cadre::infer {

// A page is owned by any number of sequences. One without an owner is free, or kept: then it holds
// what a later sequence may share, until its memory is needed. Belongs to one thread.
class PagePool {
 public:
  explicit PagePool(int64_t num_pages);

  int64_t size() const { return static_cast<int64_t>(pages_.size()); }
  // Pages with an owner, pages without one that are kept, and pages that acquire() could give.
  int64_t in_use() const { return in_use_; }
  int64_t kept() const { return size() - in_use_ - static_cast<int64_t>(free_.size()); }
  int64_t available() const { return size() - in_use_; }

  // A page for one owner, -1 if all are owned. If none is free it is the kept one that had an owner
  // the longest ago: `on_loss` is told before its content goes.
  int32_t acquire(FunctionRef<void(int32_t page)> on_loss);
  // One owner more; of a kept page, the first.
  void share(int32_t page);
  // One owner less.
  void release(int32_t page);
  int32_t owners(int32_t page) const { return at(page).owners; }

  // Whether the page stays kept when its last owner goes.
  void keep(int32_t page) { at(page).keep = true; }
  // Not kept any more: it becomes free if it has no owner.
  void forget(int32_t page);
  bool keeps(int32_t page) const { return at(page).keep; }

 private:
  struct Page {
    int32_t owners = 0;
    bool keep = false;
    // Neighbours among kept pages without an owner, in the order in which they lost it.
    int32_t before = -1;
    int32_t behind = -1;
  };

  Page& at(int32_t page);
  const Page& at(int32_t page) const;
  void append_kept(int32_t page);
  void remove_kept(int32_t page);

  std::vector<Page> pages_;
  std::vector<int32_t> free_;
  int32_t first_kept_ = -1;
  int32_t last_kept_ = -1;
  int64_t in_use_ = 0;
};

}  // namespace cadre::infer
