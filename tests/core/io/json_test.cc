#include "core/io/json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre::io {
namespace {

JsonView parse(std::string_view text) { return JsonView::parse(text, "config.json"); }

template <typename Action>
std::string corrupt(Action&& action) {
  return error_of(ErrorKind::corrupt_data, action);
}

}  // namespace

TEST_CASE("json: what is written reads back, in its order") {
  JsonValue value = JsonValue::object();
  value.set("zebra", 1).set("apple", -2.5).set("text", "a\"b\\c\n\t\x01 \xc3\xa9");
  value.set("none", JsonValue()).set("flag", true).set("large", int64_t{1} << 62);
  value.set("list", std::vector<double>{1.0, 0.1}).set("deep", JsonValue::object().set("x", 3));
  for (const std::string& text : {value.dump(), value.pretty()}) {
    CAPTURE(text);
    const JsonView read = parse(text);
    CHECK(read.value().dump() == value.dump());
    CHECK(read.keys() == std::vector<std::string>{"zebra", "apple", "text", "none", "flag", "large",
                                                  "list", "deep"});
  }
  CHECK(value.dump().find('\n') == std::string::npos);
}

TEST_CASE("json: what has no form in JSON is written as something that has") {
  CHECK(JsonValue(std::nan("")).dump() == "null");
  CHECK(JsonValue(std::numeric_limits<double>::infinity()).dump() == "null");
  CHECK(JsonValue("\xff\xc3").dump() == "\"\xef\xbf\xbd\xef\xbf\xbd\"");
  CHECK(JsonValue("\xed\xa0\x80").dump() != "\"\xed\xa0\x80\"");
  CHECK(JsonValue(3.0).dump() == "3.0");
  CHECK(JsonValue(1e300).dump() == "1e+300");
  CHECK(JsonValue(~uint64_t{0}).dump() == "18446744073709551616.0");
}

TEST_CASE("json: numbers survive writing and reading bit for bit") {
  for (const double x : {0.1, 1.0 / 3.0, 5e-324, -1.7976931348623157e308, 123456789.125, 1e22}) {
    CHECK(parse(JsonValue(x).dump()).as_number() == x);
  }
  for (const int64_t x :
       {std::numeric_limits<int64_t>::min(), int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    CHECK(parse(JsonValue(x).dump()).as_integer() == x);
  }
}

TEST_CASE("json: set replaces a member in its place") {
  JsonValue value = JsonValue::object();
  value.set("a", 1).set("b", 2).set("a", 3);
  CHECK(value.dump() == R"({"a": 3, "b": 2})");
  CHECK(value.find("c") == nullptr);
}

TEST_CASE("json: typed access accepts what means the same") {
  const JsonView config = parse(
      R"({"n": 1e6, "m": 12.0, "x": 3, "t": null, "eos": 7, "stop": [7, 8], "names": ["a", "b"]})");
  CHECK(config.integer("n") == 1000000);
  CHECK(config.integer("m") == 12);
  CHECK(config.number("x") == 3.0);
  CHECK(config.number_or("t", 0.5) == 0.5);
  CHECK(config.number_or("absent", 0.5) == 0.5);
  CHECK(config.string_or("absent", "silu") == "silu");
  CHECK(config.flag_or("absent", true));
  CHECK(config.has("t"));
  CHECK(config.is_null("t"));
  CHECK(config.integer_list("eos") == std::vector<int64_t>{7});
  CHECK(config.integer_list("stop") == std::vector<int64_t>{7, 8});
  CHECK(config.string_list("names") == std::vector<std::string>{"a", "b"});
}

TEST_CASE("json: errors name the file, the path of the key, what was found and what was expected") {
  const JsonView config = parse(
      R"({"size": "big", "rope": {"factor": [1, "two"]}, "half": 0.5, "huge": 1e30, "n": 1.5})");
  CHECK(corrupt([&] { config.integer("size"); }) ==
        "config.json: size is \"big\", expected an integer of 64 bits");
  CHECK(corrupt([&] { config.integer("hidden_size"); }) ==
        "config.json: the key \"hidden_size\" is missing");
  CHECK(corrupt([&] { config.object("rope").number_list("factor"); }) ==
        "config.json: rope.factor[1] is \"two\", expected a number");
  CHECK(contains(corrupt([&] { config.integer("half"); }), "0.5"));
  CHECK(contains(corrupt([&] { config.integer("huge"); }), "1e+30"));
  CHECK(contains(corrupt([&] { config.flag("n"); }), "expected true or false"));
  CHECK(contains(corrupt([&] { config.object("n"); }), "expected an object"));
  // A default does not excuse the wrong type.
  CHECK(contains(corrupt([&] { config.integer_or("size", 1); }), "config.json: size"));
}

TEST_CASE("json: keys that nobody reads are refused, with the nearest that would be read") {
  const JsonView config = parse(R"({"size": 1, "line": {"max_token": 3}})");
  config.expect_keys({"size", "line", "absent"});
  CHECK(corrupt([&] {
          config.object("line").expect_keys({"prompt", "max_tokens"});
        }) == "config.json: line: unknown key \"max_token\"; did you mean \"max_tokens\"?");
}

TEST_CASE("json: text that is not JSON is refused with its line and column") {
  CHECK(contains(corrupt([] { parse("{\n  \"a\": 1,\n  oops\n}"); }), "config.json:3:"));
  for (const char* text : {"", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "nul", "1 2", "\"\xff\"",
                           "\"\n\"", "[1e999]", "01", "+1", "// x\n1", "NaN", "\"\\ud800\""}) {
    CAPTURE(text);
    CHECK(contains(corrupt([&] { parse(text); }), "config.json"));
  }
}

TEST_CASE("json: repeated keys are refused") {
  CHECK(contains(corrupt([] { parse(R"({"a": 1, "b": 2, "a": 3})"); }), "\"a\" appears twice"));
}

TEST_CASE("json: depth, bytes and the number of values are limited") {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  CHECK(contains(corrupt([&] { parse(deep); }), "deeper than the limit"));
  CHECK(parse(std::string(64, '[') + std::string(64, ']')).size() == 1);
  CHECK(contains(corrupt([] { parse_json("[1, 2, 3]", "x", {.max_bytes = 4}); }), "at most 4"));
  CHECK(contains(corrupt([] { parse_json("[1, 2, 3]", "x", {.max_values = 3}); }), "limit of 3"));
}

TEST_CASE("json: reading a file names it") {
  const ScratchFolder folder;
  CHECK(JsonView::read_file(folder.write("a.json", "{\"k\": 1}")).integer("k") == 1);
  CHECK(contains(error_of(ErrorKind::not_found, [&] { JsonView::read_file(folder / "b.json"); }),
                 "b.json"));
}

}  // namespace cadre::io
