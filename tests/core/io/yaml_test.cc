// YAML as JSON.
#include "core/io/yaml.h"

#include <doctest/doctest.h>

#include "tests/expect_error.h"

namespace cadre {

TEST_CASE("yaml: mappings, sequences and scalars become what JSON would hold") {
  const io::JsonValue value = io::parse_yaml(
      "a: 1\nb: -2.5e-3\nc: [x, 'true', true, null, ~]\nd:\n  e: \"7\"\n  f: >\n    folded\n    "
      "text\n"
      "g:\nh: 1.0e-05\ni: .inf\n",
      "x.yaml");
  CHECK(value.dump() ==
        R"({"a": 1, "b": -0.0025, "c": ["x", "true", true, null, null], )"
        R"("d": {"e": "7", "f": "folded text\n"}, "g": null, "h": 1e-05, "i": ".inf"})");
}

TEST_CASE("yaml: what is broken or ambiguous is refused with its place") {
  const auto refusal = [](const std::string& text) {
    return error_of(ErrorKind::corrupt_data, [&] { io::parse_yaml(text, "x.yaml"); });
  };
  CHECK(contains(refusal("a: [1\nb: 2"), "x.yaml:2:"));
  CHECK(contains(refusal("a: 1\na: 2"), "x.yaml:2:1: the key \"a\" is repeated"));
  CHECK(contains(refusal("a: &x 1\nb: *x"), "aliases"));
  CHECK(contains(refusal("--- 1\n--- 2"), "expected one document"));
  CHECK(contains(refusal("? [1]\n: 2"), "no scalar"));
  CHECK(contains(refusal(std::string(200, '[')), "nested too deeply"));
}

}  // namespace cadre
