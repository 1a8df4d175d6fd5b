#include "core/io/toml.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/expect_error.h"

namespace cadre::io {
namespace {

std::string refused(std::string_view text) {
  return error_of(ErrorKind::invalid_input, [&] { parse_toml(text, "run.toml"); });
}

const ConfigEntry& entry(const std::vector<ConfigEntry>& entries, std::string_view key) {
  for (const ConfigEntry& e : entries) {
    if (e.key == key) return e;
  }
  FAIL("no entry");
  return entries.front();
}

}  // namespace

TEST_CASE("toml: keys are flattened with their sections and lines") {
  const auto entries = parse_toml(
      "name = \"run\"\n[optimizer]\nlr = 3e-4\nbetas = [0.9, 0.95]\n"
      "[sources.prose]\npaths = ['/usr/share/doc', '/a.b.c']\nweight = 2\n"
      "[[stage]]\nsteps = 10\n[[stage]]\nsteps = 20\n",
      "run.toml");
  CHECK(entries.size() == 7);
  CHECK(std::get<std::string>(entry(entries, "name").value) == "run");
  CHECK(std::get<double>(entry(entries, "optimizer.lr").value) == 3e-4);
  CHECK(entry(entries, "optimizer.lr").where == "run.toml:3");
  CHECK(std::get<std::vector<double>>(entry(entries, "optimizer.betas").value)[1] == 0.95);
  CHECK(std::get<std::vector<std::string>>(entry(entries, "sources.prose.paths").value)[1] ==
        "/a.b.c");
  CHECK(std::get<int64_t>(entry(entries, "sources.prose.weight").value) == 2);
  CHECK(std::get<int64_t>(entry(entries, "stage[1].steps").value) == 20);
}

TEST_CASE("toml: what is not TOML or not configuration is refused with file and line") {
  CHECK(contains(refused("a = 1\nb = = 2\n"), "run.toml:2:"));
  CHECK(contains(refused("a = 1\na = 2\n"), "run.toml:2:"));
  CHECK(contains(refused("\nday = 2024-01-01\n"), "run.toml:2: day"));
  CHECK(contains(refused("x = [1, \"a\"]\n"), "run.toml:1: x"));
  CHECK(contains(refused("x = [[1], [2]]\n"), "run.toml:1: x"));
  CHECK(contains(refused("x = 99999999999999999999\n"), "run.toml:1:"));
  CHECK(contains(refused("x = \"\xff\"\n"), "run.toml:1:"));
}

TEST_CASE("toml: keys of any depth end in an error, not in an exhausted stack") {
  std::string dotted = "a";
  for (int i = 0; i < 200000; ++i) dotted += ".a";
  CHECK(contains(refused(dotted + " = 1"), "nested deeper"));
  CHECK(contains(refused("[" + dotted + "]"), "nested deeper"));
  CHECK(contains(refused("x = {" + dotted + " = 1}"), "nested deeper"));
  CHECK(contains(refused("x = \"\"\"it's\"\"\"\n" + dotted + " = 1"), "nested deeper"));
  CHECK(contains(refused("x = \"\\\"\"\n'q'." + dotted + " = 1"), "nested deeper"));
  refused("x = " + std::string(100000, '['));
  // Dots in strings and comments are not sections.
  const std::string dots(200, '.');
  CHECK(parse_toml("# " + dots + "\nx = '" + dots + "'", "run.toml").size() == 1);
}

TEST_CASE("toml: what is written reads back") {
  const std::vector<ConfigEntry> entries = {
      {"name", std::string("a \"b\"\\\n\t\x01\x7f é"), ""},
      {"on", true, ""},
      {"train.lr", 3e-4, ""},
      {"train.whole", 2.0, ""},
      {"train.steps", int64_t{-5}, ""},
      {"data.mix.paths", std::vector<std::string>{"x", "y"}, ""},
      {"data.mix.shares", std::vector<double>{0.5, 2}, ""},
      {"train.last", HUGE_VAL, ""}};
  const std::string text = format_toml(entries);
  CAPTURE(text);
  const auto read = parse_toml(text, "again.toml");
  REQUIRE(read.size() == entries.size());
  for (const ConfigEntry& e : entries) {
    CAPTURE(e.key);
    CHECK(entry(read, e.key).value == e.value);
  }
}

}  // namespace cadre::io
