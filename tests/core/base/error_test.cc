#include "core/base/error.h"

#include <doctest/doctest.h>

#include "tests/expect_error.h"

namespace cadre {

TEST_CASE("error: kinds have the exit codes that the manual promises") {
  CHECK(exit_code(ErrorKind::invalid_input) == 2);
  CHECK(exit_code(ErrorKind::not_found) == 3);
  CHECK(exit_code(ErrorKind::corrupt_data) == 4);
  CHECK(exit_code(ErrorKind::unsupported) == 5);
  CHECK(exit_code(ErrorKind::exhausted) == 6);
  CHECK(exit_code(ErrorKind::internal) == 70);
}

TEST_CASE("error: a failed check is internal and names the place") {
  const std::string message = error_of(ErrorKind::internal, [] { CADRE_CHECK(1 + 1 == 3); });
  CHECK(contains(message, "1 + 1 == 3"));
  CHECK(contains(message, "error_test.cc"));
  CADRE_CHECK(1 + 1 == 2);
}

TEST_CASE("error: fail formats its message") {
  CHECK(error_of(ErrorKind::corrupt_data, [] {
          fail(ErrorKind::corrupt_data, "{}: {} of {}", "a.txt", 3, 4);
        }) == "a.txt: 3 of 4");
}

}  // namespace cadre
