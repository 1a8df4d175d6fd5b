#include "core/base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <system_error>

#include "core/base/error.h"

namespace cadre {
namespace {

// Parallel sections follow each other within microseconds, so a waiting thread first looks for a
// while, half a millisecond, before it sleeps: to wake it takes as long as many a section. Yielding
// keeps a machine with more threads than cores from stalling.
constexpr int kSpins = 10000;

void pause() { __builtin_ia32_pause(); }

template <typename Ready>
bool spin_until(const Ready& ready) {
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return true;
    if (i % 64 == 63) {
      std::this_thread::yield();
    } else {
      pause();
    }
  }
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  if (num_threads < 1) {
    fail(ErrorKind::invalid_input, "threads: {} is too few, expected at least 1", num_threads);
  }
  try {
    for (int worker = 1; worker < num_threads; ++worker) {
      workers_.emplace_back([this, worker] { worker_loop(worker); });
    }
  } catch (const std::system_error& error) {
    const size_t started = workers_.size() + 1;
    stop_workers();
    fail(ErrorKind::exhausted, "threads: only {} of {} could be started: {}", started, num_threads,
         error.what());
  }
}

ThreadPool::~ThreadPool() { stop_workers(); }

void ThreadPool::stop_workers() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    ++generation_;
  }
  start_.notify_all();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::work(int worker) {
  for (;;) {
    const int64_t index = next_.fetch_add(1);
    if (index >= num_tasks_) return;
    try {
      (*task_)(index, worker);
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      next_.store(num_tasks_);
    }
  }
}

void ThreadPool::worker_loop(int worker) {
  uint64_t seen = 0;
  for (;;) {
    if (!spin_until([&] { return generation_.load() != seen; })) {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return generation_.load() != seen; });
    }
    {
      std::lock_guard lock(mutex_);
      seen = generation_.load();
      if (stop_) return;
    }
    work(worker);
    if (active_.fetch_sub(1) == 1) {
      std::lock_guard lock(mutex_);
      done_.notify_one();
    }
  }
}

void ThreadPool::run(int64_t num_tasks, Task task) {
  if (num_tasks <= 0) return;
  if (workers_.empty() || num_tasks == 1) {
    for (int64_t index = 0; index < num_tasks; ++index) task(index, 0);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    task_ = &task;
    num_tasks_ = num_tasks;
    next_.store(0);
    error_ = nullptr;
    active_.store(static_cast<int>(workers_.size()));
    ++generation_;
  }
  start_.notify_all();
  work(0);
  if (!spin_until([&] { return active_.load() == 0; })) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return active_.load() == 0; });
  }
  std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

int ThreadPool::hardware_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace cadre
