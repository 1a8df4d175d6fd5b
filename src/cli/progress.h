// A line that tells how far a long job is, rewritten in place.
//
//   training  42% [========>           ] 1,260/3,000 steps  9.8/s  2:57 left  loss 3.21
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cadre::cli {

class StopSignals;

// What the line shows, apart from time and terminal so that it can be tested.
struct ProgressLine {
  std::string label;
  std::string unit;  // "steps"; "bytes" are shown with binary prefixes
  int64_t done = 0;
  int64_t total = 0;           // 0 if not known: no share and no time left
  double rate = 0.0;           // units a second; 0 leaves it out
  double seconds_left = -1.0;  // below 0 leaves it out
  std::string note;            // shown at the end, as much as fits

  // At most `width` columns; the bar takes what the words leave.
  std::string render(int width) const;
};

// Draws to standard error at most ten times a second, and nothing at all when that is no terminal.
// The rate is that of the last ten seconds. Belongs to one thread.
class ProgressBar {
 public:
  ProgressBar(std::string label, std::string unit, int64_t total);
  // For a job that nothing else interrupts: after Ctrl-C or SIGTERM update() throws Interrupted, so
  // that what was half written is removed on the way out. One such bar at a time.
  ProgressBar& stops_on_signals();
  // Removes the line if finish() was not called.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void set_total(int64_t total) { line_.total = total; }
  void update(int64_t done, std::string_view note = {});
  // As update, for work that knows its own rate and time left (below 0: let the bar estimate).
  void update(int64_t done, std::string_view note, double rate, double seconds_left);
  // Writes a line above the bar, to standard error; also when that is no terminal.
  void print_above(std::string_view text);
  // Removes the bar.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  struct Sample {
    Clock::time_point time;
    int64_t done;
  };

  void draw(Clock::time_point now);
  double recent_rate() const;

  ProgressLine line_;
  std::unique_ptr<StopSignals> signals_;
  bool visible_;
  bool drawn_ = false;
  Clock::time_point last_draw_{};
  std::deque<Sample> samples_;  // of the last ten seconds, at most five a second
};

// A bar for work that tells how much it has done of how much, and that Ctrl-C and SIGTERM stop.
class StoppableBar {
 public:
  StoppableBar(std::string label, std::string unit) : bar_(std::move(label), std::move(unit), 0) {
    bar_.stops_on_signals();
  }
  void operator()(int64_t done, int64_t total) {
    bar_.set_total(total);
    bar_.update(done);
  }

 private:
  ProgressBar bar_;
};

}  // namespace cadre::cli
