// A thread that asks the system for pages of mapped files before they are touched.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace cadre {

// Asking may wait for the disk's queue, so it is not for a thread that has arithmetic to do. The
// mapping must outlive the object. Thread-safe.
class ReadAhead {
 public:
  ReadAhead();
  ~ReadAhead();  // forgets what has not been asked for
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Pieces that are wanted now go before those that are only probable, of which the latest call
  // replaces all earlier ones.
  void need(std::vector<std::span<const std::byte>> pieces);
  void expect(std::vector<std::span<const std::byte>> pieces);

 private:
  void loop();

  std::mutex mutex_;  // guards the two queues and stop_
  std::condition_variable wake_;
  std::deque<std::span<const std::byte>> needed_;
  std::deque<std::span<const std::byte>> expected_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace cadre
