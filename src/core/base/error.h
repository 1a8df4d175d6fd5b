// The one exception type of Cadre and the checks that throw it.
//
// An Error ends a unit of work: a command, a request, a training step. Its kind says who can act
// on it, and each boundary (the command line, the server) translates the kind once.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace cadre {

enum class ErrorKind {
  invalid_input,  // the caller: a flag, a value, a request
  not_found,      // the caller: a file or a name that is not there
  corrupt_data,   // whoever made the file
  unsupported,    // nobody yet
  exhausted,      // anyone, later: memory, disk, cache or queue is full
  internal,       // us
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// The process exit code of a kind: 2, 3, 4, 5, 6 and 70 in the order above.
int exit_code(ErrorKind kind);

// Throws Error(kind) with a formatted message: where it happened, what was found, what was
// expected.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

// Throws Error(internal); use CADRE_CHECK, which fills in the place.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace cadre

// Guards an invariant of our own: a failure is a bug in Cadre, never the fault of an input.
#define CADRE_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::cadre::check_failed(#condition, __FILE__, __LINE__))
