#include "core/base/function_ref.h"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <string>

namespace cadre {
namespace {

int call(FunctionRef<int(int)> function, int x) { return function(x); }
int twice(int x) { return 2 * x; }

TEST_CASE("function reference: it calls what it was given, with all that a lambda captures") {
  std::array<int, 64> many{};
  many[63] = 5;
  CHECK(call([&many](int x) { return x + many[63]; }, 1) == 6);
  CHECK(call([many](int x) { return x + many[63]; }, 2) == 7);
  CHECK(call(&twice, 3) == 6);
}

TEST_CASE("function reference: state is that of the object itself, const or not") {
  int calls = 0;
  auto count = [&calls, own = 0](int x) mutable {
    ++calls;
    return own += x;
  };
  CHECK(call(count, 3) == 3);
  CHECK(call(count, 4) == 7);
  const auto fixed = [](int x) { return -x; };
  CHECK(call(fixed, 4) == -4);
  CHECK(calls == 2);
}

TEST_CASE("function reference: arguments are passed on as they are, a result may be dropped") {
  std::string seen;
  const auto take = [&](FunctionRef<void(std::unique_ptr<int>, const std::string&)> function) {
    function(std::make_unique<int>(7), "x");
  };
  take([&](std::unique_ptr<int> number, const std::string& text) {
    seen = text + std::to_string(*number);
    return seen.size();
  });
  CHECK(seen == "x7");
}

}  // namespace
}  // namespace cadre
