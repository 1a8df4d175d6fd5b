#include "cli/progress.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

#include "cli/human.h"
#include "cli/stop_signals.h"
#include "cli/terminal.h"

namespace cadre::cli {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kSampleGap = std::chrono::milliseconds(200);
constexpr auto kRateWindow = std::chrono::seconds(10);
constexpr int kMaxBar = 30;
constexpr int kMinBar = 8;
constexpr std::string_view kClearLine = "\r\x1b[K";

void write_raw(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string ProgressLine::render(int width) const {
  const bool bytes = unit == "bytes";
  const auto amount = [&](double value) {
    return bytes ? human_bytes(value) : grouped(static_cast<int64_t>(value));
  };
  const double share =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0)
                : 0.0;

  std::string head = label;
  if (total > 0) {
    // 100 % is shown only when everything is done; the addend keeps 0.42 from becoming 41 %.
    const int percent = std::min(99, static_cast<int>(share * 100 + 1e-9));
    head += fmt::format(" {:3d}%", done >= total ? 100 : percent);
  }
  std::string tail = amount(static_cast<double>(done));
  if (total > 0) tail += fmt::format("/{}", amount(static_cast<double>(total)));
  if (!bytes) tail += " " + unit;
  if (rate > 0.0) {
    tail += "  " + (bytes ? human_bytes(rate) : human_count(rate)) + "/s";
  }
  if (seconds_left >= 0.0 && done < total) tail += "  " + human_duration(seconds_left) + " left";
  if (!note.empty()) tail += "  " + note;

  const int words = static_cast<int>(head.size() + 1 + tail.size());
  std::string line = head;
  const int room = width - words - 3;
  if (total > 0 && room >= kMinBar) {
    const int cells = std::min(room, kMaxBar);
    const int full = static_cast<int>(share * cells);
    line += " [" + std::string(static_cast<size_t>(full), '=');
    if (full < cells) {
      line += ">" + std::string(static_cast<size_t>(cells - full - 1), ' ');
    }
    line += "]";
  }
  line += " " + tail;
  if (static_cast<int>(line.size()) > width) line.resize(static_cast<size_t>(std::max(width, 0)));
  return line;
}

ProgressBar::ProgressBar(std::string label, std::string unit, int64_t total)
    : line_{.label = std::move(label), .unit = std::move(unit), .total = total, .note = {}},
      visible_(stderr_is_terminal()) {
  samples_.push_back({Clock::now(), 0});
}

ProgressBar::~ProgressBar() { finish(); }

ProgressBar& ProgressBar::stops_on_signals() {
  signals_ = std::make_unique<StopSignals>();
  return *this;
}

void ProgressBar::update(int64_t done, std::string_view note) { update(done, note, -1.0, -1.0); }

void ProgressBar::update(int64_t done, std::string_view note, double rate, double seconds_left) {
  if (signals_ && signals_->requested() != 0) throw Interrupted{signals_->requested()};
  if (!visible_) return;
  const Clock::time_point now = Clock::now();
  line_.done = done;
  line_.note = note;
  if (now - samples_.back().time >= kSampleGap) {
    samples_.push_back({now, done});
    while (samples_.size() > 2 && now - samples_.front().time > kRateWindow) samples_.pop_front();
  }
  if (now - last_draw_ < kRedraw && done != line_.total) return;
  line_.rate = rate >= 0.0 ? rate : recent_rate();
  line_.seconds_left = seconds_left >= 0.0 ? seconds_left
                       : line_.rate > 0.0 && line_.total > 0
                           ? static_cast<double>(line_.total - done) / line_.rate
                           : -1.0;
  draw(now);
}

double ProgressBar::recent_rate() const {
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  const double seconds = std::chrono::duration<double>(last.time - first.time).count();
  return seconds > 0.0 ? static_cast<double>(last.done - first.done) / seconds : 0.0;
}

void ProgressBar::draw(Clock::time_point now) {
  // The last column stays free: some terminals wrap when it is written.
  write_raw(std::string(kClearLine) + line_.render(terminal_width() - 1));
  last_draw_ = now;
  drawn_ = true;
}

void ProgressBar::print_above(std::string_view text) {
  if (drawn_) write_raw(kClearLine);
  print_error(text);
  if (drawn_) draw(Clock::now());
}

void ProgressBar::finish() {
  if (drawn_) write_raw(kClearLine);
  drawn_ = false;
}

}  // namespace cadre::cli
