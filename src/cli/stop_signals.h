// Ctrl-C and SIGTERM as a request that a long job looks at, rather than an end.
#pragma once

#include <atomic>
#include <csignal>

namespace cadre::cli {

// While it lives, the first SIGINT or SIGTERM is kept in requested(); a second one ends the process
// as usual. One at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The number of the signal, or 0.
  const std::atomic<int>& requested() const;
};

// While it lives, the first Ctrl-C is kept in requested(); a second one ends the process as usual.
// One at a time.
class InterruptSignal {
 public:
  InterruptSignal();
  ~InterruptSignal();
  InterruptSignal(const InterruptSignal&) = delete;
  InterruptSignal& operator=(const InterruptSignal&) = delete;

  bool requested() const;

 private:
  struct sigaction before_ {};
};

}  // namespace cadre::cli
