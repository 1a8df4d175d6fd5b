// Checks that an action ends in an Error of a kind, and shows what its message says.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "core/base/error.h"

namespace cadre {

// The message of the Error that the action throws; fails the test if there is none or its kind is
// another.
template <typename Action>
std::string error_of(ErrorKind kind, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    INFO(std::string(error.what()));
    CHECK(exit_code(error.kind()) == exit_code(kind));
    return error.what();
  }
  FAIL_CHECK("expected an Error, found none");
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace cadre
