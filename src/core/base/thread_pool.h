// A fixed set of worker threads that together run numbered tasks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/function_ref.h"

namespace cadre {

// The calling thread is worker 0 and works too, so a pool of one starts no thread. Tasks are handed
// out in ascending order to whichever worker is free: what a task computes must not depend on the
// worker that runs it. One thread at a time may call run(); a task must not call run() again.
class ThreadPool {
 public:
  using Task = FunctionRef<void(int64_t index, int worker)>;

  // num_threads >= 1; throws Error(invalid_input) otherwise, and Error(exhausted) if the system
  // will not start so many.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs task(index, worker) for every index in [0, num_tasks) and returns when all have ended.
  // The first exception of a task is rethrown here, after the rest have been skipped.
  void run(int64_t num_tasks, Task task);

  // The number of threads the machine offers to this process (its CPU affinity), at least 1.
  static int hardware_threads();

 private:
  void worker_loop(int worker);
  void work(int worker);
  void stop_workers();

  std::vector<std::thread> workers_;
  std::mutex mutex_;  // guards generation_, stop_, active_, error_, and publication of task_
  std::condition_variable start_;
  std::condition_variable done_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> active_{0};
  bool stop_ = false;
  const Task* task_ = nullptr;
  int64_t num_tasks_ = 0;
  std::atomic<int64_t> next_{0};
  std::exception_ptr error_;
};

}  // namespace cadre
