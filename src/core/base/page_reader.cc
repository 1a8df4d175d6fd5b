#include "core/base/page_reader.h"

#include <algorithm>
#include <utility>

#include "core/base/pages.h"

namespace cadre {
namespace {

std::vector<std::span<const std::byte>> pieces_of(
    const std::vector<std::span<const std::byte>>& pages) {
  constexpr auto kPiece = static_cast<size_t>(PageReader::kPieceBytes);
  std::vector<std::span<const std::byte>> pieces;
  for (const auto& span : pages) {
    for (size_t at = 0; at < span.size(); at += kPiece) {
      pieces.push_back(span.subspan(at, std::min(kPiece, span.size() - at)));
    }
  }
  return pieces;
}

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

PageReader::Request::Request(PageReader& reader, std::vector<std::span<const std::byte>> pages)
    : reader_(reader), pages_(std::move(pages)), pieces_(pieces_of(pages_)) {
  for (const auto& piece : pieces_) bytes_ += static_cast<int64_t>(piece.size());
  left_ = std::ssize(pieces_);
}

PageReader::Request::~Request() {
  {
    std::unique_lock lock(reader_.mutex_);
    if (next_ < pieces_.size()) std::erase(reader_.needed_, this);
    reader_.done_.wait(lock, [&] { return reading_ == 0; });
  }
  // From here on no reader knows of it.
  if (admitted_) {
    for (const auto& span : pages_) release_pages(span);
    std::lock_guard lock(reader_.mutex_);
    reader_.held_ -= bytes_;
  }
  reader_.wake_.notify_all();
}

void PageReader::Request::wait() {
  std::unique_lock lock(reader_.mutex_);
  reader_.done_.wait(lock, [&] { return left_ == 0; });
}

PageReader::PageReader(int64_t window) : window_(window) {
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { loop(); });
}

PageReader::~PageReader() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::unique_ptr<PageReader::Request> PageReader::need(
    std::vector<std::span<const std::byte>> pages) {
  std::unique_ptr<Request> request(new Request(*this, std::move(pages)));
  if (request->pieces_.empty()) return request;
  {
    std::lock_guard lock(mutex_);
    needed_.push_back(request.get());
  }
  wake_.notify_all();
  return request;
}

void PageReader::expect(const std::vector<std::span<const std::byte>>& pages) {
  const auto pieces = pieces_of(pages);
  {
    std::lock_guard lock(mutex_);
    if (pieces.empty() && expected_.empty()) return;
    expected_.assign(pieces.begin(), pieces.end());
  }
  wake_.notify_all();
}

double PageReader::busy_seconds() const {
  std::lock_guard lock(mutex_);
  return busy_seconds_ + (reading_ > 0 ? seconds(Clock::now() - busy_since_) : 0.0);
}

PageReader::Request* PageReader::next_needed() {
  if (needed_.empty()) return nullptr;
  Request* first = needed_.front();
  if (first->admitted_) return first;
  return has_room(first->bytes_) ? first : nullptr;
}

void PageReader::read(std::unique_lock<std::mutex>& lock, std::span<const std::byte> piece) {
  if (reading_++ == 0) busy_since_ = Clock::now();
  lock.unlock();
  populate_pages(piece);
  lock.lock();
  if (--reading_ == 0) busy_seconds_ += seconds(Clock::now() - busy_since_);
}

void PageReader::loop() {
  std::unique_lock lock(mutex_);
  const auto next_expected = [&] {
    return !expected_.empty() && has_room(static_cast<int64_t>(expected_.front().size()));
  };
  while (true) {
    wake_.wait(lock, [&] { return stop_ || next_needed() != nullptr || next_expected(); });
    if (stop_) return;
    if (Request* request = next_needed()) {
      if (!request->admitted_) held_ += request->bytes_;
      request->admitted_ = true;
      const auto piece = request->pieces_[request->next_++];
      if (request->next_ == request->pieces_.size()) needed_.pop_front();
      ++request->reading_;
      read(lock, piece);
      --request->left_;
      // The last that is done with the request: from here on it may be gone.
      if (--request->reading_ == 0) done_.notify_all();
    } else {
      const auto piece = expected_.front();
      expected_.pop_front();
      held_ += static_cast<int64_t>(piece.size());
      read(lock, piece);
      lock.unlock();
      release_pages(piece);
      lock.lock();
      held_ -= static_cast<int64_t>(piece.size());
      wake_.notify_all();
    }
  }
}

}  // namespace cadre
