#include "cli/stop_signals.h"

namespace cadre::cli {
namespace {

// A handler reaches nothing but globals, so this one has to be.
std::atomic<int> requested_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void handle(int signal) {
  requested_signal.store(signal);
  std::signal(signal, SIG_DFL);
}

}  // namespace

StopSignals::StopSignals() {
  requested_signal.store(0);
  std::signal(SIGINT, handle);
  std::signal(SIGTERM, handle);
}

StopSignals::~StopSignals() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

const std::atomic<int>& StopSignals::requested() const { return requested_signal; }

InterruptSignal::InterruptSignal() {
  requested_signal.store(0);
  struct sigaction action {};
  action.sa_handler = [](int signal) { requested_signal.store(signal); };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &before_);
}

InterruptSignal::~InterruptSignal() { sigaction(SIGINT, &before_, nullptr); }

bool InterruptSignal::requested() const { return requested_signal.load() != 0; }

}  // namespace cadre::cli
