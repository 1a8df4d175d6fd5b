#include "core/base/thread_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>

#include "tests/expect_error.h"

namespace cadre {

TEST_CASE("thread pool: every index runs once, on a worker of the pool") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    CHECK(pool.num_threads() == threads);
    for (const int64_t tasks : {0, 1, 2, 7, 1000}) {
      CAPTURE(threads);
      CAPTURE(tasks);
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      std::atomic<int> strangers{0};
      pool.run(tasks, [&](int64_t index, int worker) {
        ++runs[static_cast<size_t>(index)];
        if (worker < 0 || worker >= threads) ++strangers;
      });
      CHECK(strangers == 0);
      CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& n) { return n == 1; }));
    }
  }
}

TEST_CASE("thread pool: no two tasks run on one worker at a time") {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> busy(4);
  std::atomic<int> clashes{0};
  pool.run(2000, [&](int64_t, int worker) {
    if (++busy[static_cast<size_t>(worker)] != 1) ++clashes;
    --busy[static_cast<size_t>(worker)];
  });
  CHECK(clashes == 0);
}

TEST_CASE("thread pool: it serves thousands of short runs") {
  ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  for (int run = 0; run < 5000; ++run) {
    pool.run(4, [&](int64_t index, int) { sum += index; });
  }
  CHECK(sum == 5000 * 6);
}

TEST_CASE("thread pool: the exception of a task arrives where run was called") {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    std::atomic<int> ran{0};
    std::string message;
    try {
      pool.run(100, [&](int64_t index, int) {
        ++ran;
        if (index == 3) throw std::runtime_error("task 3");
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    CHECK(message == "task 3");
    CHECK(ran <= 100);
    // The pool is as good as new.
    std::atomic<int> after{0};
    pool.run(50, [&](int64_t, int) { ++after; });
    CHECK(after == 50);
  }
}

TEST_CASE("thread pool: what tasks wrote is seen by the caller") {
  ThreadPool pool(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> values(64);
    pool.run(64, [&](int64_t index, int) { values[static_cast<size_t>(index)] = index + round; });
    CHECK(std::accumulate(values.begin(), values.end(), int64_t{0}) == 63 * 64 / 2 + 64 * round);
  }
}

TEST_CASE("thread pool: no pool without a thread") {
  error_of(ErrorKind::invalid_input, [] { ThreadPool pool(0); });
  error_of(ErrorKind::invalid_input, [] { ThreadPool pool(-1); });
  CHECK(ThreadPool::hardware_threads() >= 1);
}

}  // namespace cadre
