// Whether reading ahead what a guess says pays: tried with and without in turns.
#pragma once

#include <cstdint>

namespace cadre::model {

// The first kTrial passes of every kPeriod that read anything guess every other time; the rest do
// what read a byte in less time. The time that guessing takes counts. Belongs to one thread.
class GuessTrial {
 public:
  static constexpr int64_t kTrial = 32;
  static constexpr int64_t kPeriod = 1024;

  void begin_pass();
  // Whether to guess in this pass.
  bool on() const { return on_; }
  // What reading cost in this pass.
  void add(double seconds, int64_t bytes);
  // What the trials have shown so far; true before the first is over.
  bool pays() const { return pays_; }

 private:
  struct Side {
    double seconds = 0.0;
    int64_t bytes = 0;
  };
  Side with_, without_;
  int64_t passes_ = 0;  // that read anything
  bool has_read_ = false;
  bool on_ = true;
  bool pays_ = true;
};

}  // namespace cadre::model
