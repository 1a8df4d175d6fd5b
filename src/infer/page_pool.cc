#include "infer/page_pool.h"

#include <limits>

#include "core/base/error.h"

namespace cadre::infer {

PagePool::PagePool(int64_t num_pages) {
  CADRE_CHECK(num_pages >= 1 && num_pages <= std::numeric_limits<int32_t>::max());
  pages_.resize(static_cast<size_t>(num_pages));
  // The lowest are given first.
  for (int64_t page = num_pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

PagePool::Page& PagePool::at(int32_t page) {
  CADRE_CHECK(page >= 0 && page < size());
  return pages_[static_cast<size_t>(page)];
}

const PagePool::Page& PagePool::at(int32_t page) const {
  CADRE_CHECK(page >= 0 && page < size());
  return pages_[static_cast<size_t>(page)];
}

void PagePool::append_kept(int32_t page) {
  at(page).before = last_kept_;
  at(page).behind = -1;
  (last_kept_ >= 0 ? at(last_kept_).behind : first_kept_) = page;
  last_kept_ = page;
}

void PagePool::remove_kept(int32_t page) {
  const Page& links = at(page);
  (links.before >= 0 ? at(links.before).behind : first_kept_) = links.behind;
  (links.behind >= 0 ? at(links.behind).before : last_kept_) = links.before;
}

int32_t PagePool::acquire(FunctionRef<void(int32_t)> on_loss) {
  if (free_.empty()) {
    if (first_kept_ < 0) return -1;
    const int32_t oldest = first_kept_;
    on_loss(oldest);
    if (at(oldest).keep) forget(oldest);
  }
  const int32_t page = free_.back();
  free_.pop_back();
  at(page).owners = 1;
  ++in_use_;
  return page;
}

void PagePool::share(int32_t page) {
  Page& entry = at(page);
  CADRE_CHECK(entry.owners > 0 || entry.keep);
  if (entry.owners++ > 0) return;
  remove_kept(page);
  ++in_use_;
}

void PagePool::release(int32_t page) {
  Page& entry = at(page);
  CADRE_CHECK(entry.owners > 0);
  if (--entry.owners > 0) return;
  --in_use_;
  if (entry.keep) {
    append_kept(page);
  } else {
    free_.push_back(page);
  }
}

void PagePool::forget(int32_t page) {
  Page& entry = at(page);
  if (!entry.keep) return;
  entry.keep = false;
  if (entry.owners > 0) return;
  remove_kept(page);
  free_.push_back(page);
}

}  // namespace cadre::infer
