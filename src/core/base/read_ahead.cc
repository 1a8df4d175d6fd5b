#include "core/base/read_ahead.h"

#include "core/base/pages.h"

namespace cadre {

ReadAhead::ReadAhead() : thread_([this] { loop(); }) {}

ReadAhead::~ReadAhead() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ReadAhead::need(std::vector<std::span<const std::byte>> pieces) {
  if (pieces.empty()) return;
  {
    std::lock_guard lock(mutex_);
    needed_.insert(needed_.end(), pieces.begin(), pieces.end());
  }
  wake_.notify_one();
}

void ReadAhead::expect(std::vector<std::span<const std::byte>> pieces) {
  {
    std::lock_guard lock(mutex_);
    expected_.assign(pieces.begin(), pieces.end());
  }
  wake_.notify_one();
}

void ReadAhead::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || !needed_.empty() || !expected_.empty(); });
    if (stop_) return;
    std::deque<std::span<const std::byte>>& queue = needed_.empty() ? expected_ : needed_;
    const std::span<const std::byte> piece = queue.front();
    queue.pop_front();
    lock.unlock();
    will_need_pages(piece);
    lock.lock();
  }
}

}  // namespace cadre
