// What a template may use: chat templates come with checkpoints, from strangers.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/base/error.h"

namespace cadre::text::jinja {

struct Limits {
  size_t max_template_bytes = size_t{1} << 20;
  int max_nesting = 200;                  // of expressions, statements, and of values in values
  int max_calls = 1000;                   // nested evaluations, which recursive macros multiply
  int64_t max_steps = 20'000'000;         // nodes evaluated, values compared, items visited
  int64_t max_bytes = int64_t{1} << 30;   // made in all, whether kept or not
  int64_t max_string = int64_t{1} << 27;  // of one string, the output included
  int64_t max_range = 100'000;            // as in Jinja's sandbox
};

// What the evaluation of a template throws inside this folder; at its edge the place is put before
// the message and an Error made of it.
struct Fault {
  ErrorKind kind;
  std::string message;
};

// A template's own mistake, Python's TypeError and friends.
template <typename... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
  throw Fault{ErrorKind::invalid_input, fmt::format(format, std::forward<Args>(args)...)};
}

// Counts what one rendering has used. For one thread.
class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  const Limits& limits() const { return limits_; }

  void steps(int64_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.max_steps) exceeded("steps", limits_.max_steps);
  }
  // Before a string of that many bytes is made; a step for each 64 bytes comes with it.
  void string(int64_t size) {
    if (size > limits_.max_string) exceeded("bytes in one string", limits_.max_string);
    bytes(size);
  }
  void items(int64_t count) { bytes(count > limits_.max_bytes ? count : count * kItemBytes); }

 private:
  static constexpr int64_t kItemBytes = 32;

  void bytes(int64_t size) {
    bytes_ += size;
    if (bytes_ > limits_.max_bytes) exceeded("bytes of memory", limits_.max_bytes);
    steps(1 + size / 64);
  }
  [[noreturn]] static void exceeded(const char* what, int64_t limit) {
    throw Fault{ErrorKind::exhausted,
                fmt::format("the template takes more than {} {}", limit, what)};
  }

  Limits limits_;
  int64_t steps_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace cadre::text::jinja
