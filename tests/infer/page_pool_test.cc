// Pages and the index of what they hold, each against a plain model of itself.
#include "infer/page_pool.h"

#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <deque>
#include <memory>

#include "core/base/random.h"
#include "infer/prefix_index.h"

namespace cadre::infer {

TEST_CASE("page pool: free pages first, then the kept one that was left the longest ago") {
  PagePool pool(4);
  const auto none = [](int32_t) { FAIL("nothing had to go"); };
  std::vector<int32_t> pages;
  for (int i = 0; i < 4; ++i) pages.push_back(pool.acquire(none));
  CHECK(pool.acquire(none) == -1);
  CHECK(pool.in_use() == 4);
  pool.keep(pages[2]);
  pool.keep(pages[0]);
  pool.release(pages[2]);
  pool.release(pages[0]);
  pool.release(pages[1]);
  CHECK(pool.in_use() == 1);
  CHECK(pool.kept() == 2);
  CHECK(pool.available() == 3);
  CHECK(pool.acquire(none) == pages[1]);
  // Shared again, 2 is young once it is left.
  pool.share(pages[2]);
  pool.release(pages[2]);
  std::vector<int32_t> lost;
  const auto note = [&](int32_t page) { lost.push_back(page); };
  CHECK(pool.acquire(note) == pages[0]);
  CHECK(pool.acquire(note) == pages[2]);
  CHECK(lost == std::vector<int32_t>{pages[0], pages[2]});
  CHECK(pool.acquire(note) == -1);
}

TEST_CASE("page pool: random use agrees with counts kept beside it") {
  RandomStream random(4);
  constexpr int64_t kPages = 13;
  PagePool pool(kPages);
  std::vector<int> owners(kPages, 0);
  std::vector<bool> keep(kPages, false);
  std::deque<int32_t> kept;  // without an owner, oldest first
  for (int step = 0; step < 20000; ++step) {
    const auto page = static_cast<int32_t>(random.below(kPages));
    const auto at = static_cast<size_t>(page);
    switch (random.below(5)) {
      case 0: {
        const bool full = std::ranges::all_of(owners, [](int count) { return count > 0; });
        int32_t lost = -1;
        const int32_t got = pool.acquire([&](int32_t gone) { lost = gone; });
        REQUIRE((got < 0) == full);
        if (got < 0) break;
        CHECK(owners[static_cast<size_t>(got)] == 0);
        if (lost >= 0) {
          // Nothing was free, so all pages without an owner were kept.
          REQUIRE(lost == kept.front());
          CHECK(got == lost);
          kept.pop_front();
          keep[static_cast<size_t>(lost)] = false;
        }
        CHECK_FALSE(keep[static_cast<size_t>(got)]);
        owners[static_cast<size_t>(got)] = 1;
        break;
      }
      case 1:
        if (owners[at] == 0 && !keep[at]) break;
        if (owners[at]++ == 0) std::erase(kept, page);
        pool.share(page);
        break;
      case 2:
      case 3:
        if (owners[at] == 0) break;
        if (--owners[at] == 0 && keep[at]) kept.push_back(page);
        pool.release(page);
        break;
      default:
        if (owners[at] > 0) {
          keep[at] = true;
          pool.keep(page);
        } else if (keep[at]) {
          keep[at] = false;
          std::erase(kept, page);
          pool.forget(page);
        }
    }
    REQUIRE(pool.owners(page) == owners[at]);
    REQUIRE(pool.in_use() == std::ranges::count_if(owners, [](int count) { return count > 0; }));
    REQUIRE(pool.kept() == std::ssize(kept));
  }
}

TEST_CASE("prefix index: nodes live as long as a page, a child or a sequence needs them") {
  PrefixIndex index({8, 8});
  const std::vector<int32_t> first = {1, 2, 3};
  const std::vector<int32_t> second = {4, 5, 6};
  PrefixNode* a = index.insert(index.root(), first);
  index.set_page(a, 0, 3);
  index.set_page(a, 1, 5);
  PrefixNode* b = index.insert(a, second);
  index.set_page(b, 0, 4);
  CHECK(index.insert(index.root(), first) == a);
  CHECK(PrefixIndex::find(*index.root(), first) == a);
  CHECK(PrefixIndex::find(*index.root(), second) == nullptr);
  CHECK(PrefixIndex::find(*a, second) == b);
  CHECK(PrefixIndex::find(*a, std::span(second).first(2)) == nullptr);
  CHECK(index.num_nodes() == 2);
  index.lose_page(0, 3);
  index.lose_page(1, 5);  // b stands behind it
  CHECK(PrefixIndex::find(*index.root(), first) == a);
  PrefixIndex::enter(b);
  index.lose_page(0, 4);  // a sequence stands there
  CHECK(PrefixIndex::find(*a, second) == b);
  index.leave(b);
  CHECK(index.num_nodes() == 0);
  CHECK(PrefixIndex::find(*index.root(), first) == nullptr);
  index.lose_page(0, 4);  // of no node any more
}

TEST_CASE("prefix index: the chain of a long text ends without a deep stack") {
  auto index = std::make_unique<PrefixIndex>(std::vector<int64_t>{1});
  PrefixNode* node = index->root();
  const std::vector<int32_t> token = {1};
  for (int i = 0; i < 50'000; ++i) node = index->insert(node, token);
  index->set_page(node, 0, 0);
  CHECK(index->num_nodes() == 50'000);
  // A thread with 5 bytes of stack for each node.
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
  pthread_t thread;
  const auto end = [](void* x) -> void* {
    static_cast<std::unique_ptr<PrefixIndex>*>(x)->reset();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, end, &index) == 0);
  CHECK(pthread_join(thread, nullptr) == 0);
  CHECK(index == nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace cadre::infer
