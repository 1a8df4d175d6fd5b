// Threads that read pages of mapped files before they are used.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace cadre {

// Several threads, each with a piece of its own, so that the disk always has more than one request
// to work on, and whoever uses the pages finds them there instead of waiting for them one by one.
// The mappings must outlive the object and its requests. Thread-safe.
class PageReader {
 public:
  static constexpr int kThreads = 4;
  static constexpr int64_t kPieceBytes = 1 << 20;  // that a thread reads at a time

  // At most `window` bytes of pages, or one request however large, are in memory or on their way at
  // a time.
  explicit PageReader(int64_t window);
  ~PageReader();  // after all of its requests
  PageReader(const PageReader&) = delete;
  PageReader& operator=(const PageReader&) = delete;

  // Pages that somebody needs. Belongs to one thread.
  class Request {
   public:
    // Gives the pages back (release_pages() in pages.h), whether they have been waited for or not.
    ~Request();
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    // Until all of the pages are in memory.
    void wait();
    int64_t bytes() const { return bytes_; }

   private:
    friend class PageReader;
    Request(PageReader& reader, std::vector<std::span<const std::byte>> pages);

    PageReader& reader_;
    std::vector<std::span<const std::byte>> pages_;
    int64_t bytes_ = 0;
    // Guarded by the reader's mutex.
    std::vector<std::span<const std::byte>> pieces_;
    size_t next_ = 0;        // the piece that is read next
    int64_t reading_ = 0;    // pieces on their way
    int64_t left_ = 0;       // pieces that are not there yet
    bool admitted_ = false;  // its bytes count in the window
  };

  // Pages are read in the order of the requests, those of all threads. Whoever has some must give
  // them back in that order and wait for nobody else meanwhile: others may have to wait for them.
  std::unique_ptr<Request> need(std::vector<std::span<const std::byte>> pages);

  // Pages that will probably be needed, of which the latest call replaces all earlier ones. They
  // are read while nothing that is needed can be, and are then left to the system's cache of files.
  void expect(const std::vector<std::span<const std::byte>>& pages);

  // The time in which any page was being read, needed or expected.
  double busy_seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  void loop();
  // The request that has the next piece, if its pages have room.
  Request* next_needed();
  bool has_room(int64_t bytes) const { return held_ == 0 || held_ + bytes <= window_; }
  void read(std::unique_lock<std::mutex>& lock, std::span<const std::byte> piece);

  const int64_t window_;
  mutable std::mutex mutex_;      // guards all below
  std::condition_variable wake_;  // of readers
  std::condition_variable done_;  // of those who wait for them
  std::deque<Request*> needed_;   // those with pieces to be read
  std::deque<std::span<const std::byte>> expected_;
  int64_t held_ = 0;     // bytes in memory or on their way
  int64_t reading_ = 0;  // threads that are reading
  double busy_seconds_ = 0.0;
  Clock::time_point busy_since_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace cadre
