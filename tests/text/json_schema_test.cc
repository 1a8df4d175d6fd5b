#include "text/grammar/json_schema.h"

#include <doctest/doctest.h>

#include <bit>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/io/json.h"
#include "tests/text/grammar_cases.h"
#include "text/grammar/grammar.h"

namespace cadre::text {
namespace {

using grammar::JsonSchemaOptions;
using grammar::JsonWhitespace;

CompiledGrammar compiled(const std::string& schema, JsonSchemaOptions options = {}) {
  static const Tokenizer tokenizer = byte_tokenizer();
  return CompiledGrammar(Grammar::from_json_schema(schema, "s.json", options), tokenizer);
}

struct Case {
  std::string schema;
  std::vector<std::string> valid;
  std::vector<std::string> invalid;
};

const std::vector<Case> kCases = {
    {R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"},
        "c": {"type": "null"}}, "required": ["b"]})",
     {R"({"b":true})", R"({"a":-12,"b":false})", R"({"a":0,"b":true,"c":null})",
      R"({"b":true,"c":null})"},
     {R"({})", R"({"a":1})", R"({"b":true,"a":1})", R"({"b":true,})", R"({"a":01,"b":true})",
      R"({"b":true,"d":1})", R"({,"b":true})", R"({"b":true)"}},
    {R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
     {"[1]", "[1,2]", "[1,-2,30]"},
     {"[]", "[1,2,3,4]", "[1,]", "[1 ,2]", "[1.0]"}},
    {R"({"type": "array", "prefixItems": [{"const": "x"}, {"type": "null"}], "items": {"enum": [1, 2]},
        "minItems": 1})",
     {R"(["x"])", R"(["x",null])", R"(["x",null,1,2,2])"},
     {"[]", R"(["y"])", R"(["x",1])", R"(["x",null,3])"}},
    {R"({"type": "integer", "minimum": -17, "exclusiveMaximum": 230})",
     {"-17", "-9", "0", "9", "10", "99", "100", "199", "229"},
     {"-18", "-20", "-100", "230", "231", "300", "1000", "1.5", "007", "+1"}},
    {R"({"type": "number", "minimum": 0.25, "maximum": 12.5})",
     {"0.25", "0.250", "0.3", "1", "9.99", "10", "12.4999", "12.5", "12.50"},
     {"0.2", "0.2499", "0", "12.51", "12.6", "13", "100", "-1", "1e1", "1."}},
    {R"({"type": "integer", "multipleOf": 7})",
     {"0", "7", "-14", "700", "700000000000000007"},
     {"1", "-13", "7.0", "77.7", "7000000000000000007"}},
    {R"({"type": "integer", "multipleOf": 1000})",
     {"0", "-1000", "123456789012000"},
     {"1", "100", "10001", "1234567890120000"}},
    {R"({"type": "integer", "multipleOf": 3000})",
     {"0", "-3000", "3000000000000000000000000"},
     {"300", "1000", "4000000000000000000000000"}},
    {R"({"type": "number", "multipleOf": 0.01, "minimum": 0})",
     {"0", "0.01", "12.5", "999999999999999999.990000000000000000"},
     {"-1", "0.001", "0.0000000000000000000", "1000000000000000000"}},
    {R"({"type": "number", "multipleOf": 0.25})",
     {"0", "0.25", "-1.50", "3.7500", "2"},
     {"0.1", "0.3", "1.255", "0.250001"}},
    {R"({"type": "string", "minLength": 2, "maxLength": 3})",
     {R"("ab")", R"("\u00e9\n")", R"("\ud83d\ude00xy")", "\"\xf0\x9f\x98\x80\xe2\x82\xac\"",
      R"("\"\\/")"},
     {R"("a")", R"("abcd")", R"("\ud83d")", R"("\ud83d\ude00")", "\"a\nb\"", R"("ab)", R"("a\q")"}},
    {R"({"type": "string", "pattern": "^a[0-9]+", "maxLength": 4})",
     {R"("a1")", R"("a12x")", R"("a1\n")"},
     {R"("a")", R"("ba1")", R"("a1234")"}},
    {R"({"type": "string", "format": "date"})",
     {R"("2024-02-29")", R"("1999-12-31")", R"("2000-02-29")"},
     {R"("2023-02-29")", R"("1900-02-29")", R"("2024-04-31")", R"("2024-13-01")", R"("24-01-01")"}},
    {R"({"type": "string", "format": "ipv6"})",
     {R"("::")", R"("::1")", R"("2001:db8::7:8")", R"("1:2:3:4:5:6:7:8")", R"("1::")"},
     {R"(":::")", R"("1:2:3:4:5:6:7")", R"("1::2::3")", R"("12345::")", R"("1:2:3:4:5:6:7:8:9")"}},
    {R"({"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["v", "next"]}},
        "$ref": "#/$defs/node"})",
     {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
     {R"({"v":1})", R"({"v":1,"next":{"v":2}})", R"({"v":1,"next":null}})"}},
    {R"({"allOf": [{"type": ["object", "null"], "properties": {"a": {"minimum": 3}}, "required": ["a"]},
        {"properties": {"a": {"type": "integer", "maximum": 5}, "b": true}}], "type": "object"})",
     {R"({"a":3})", R"({"a":5,"b":[{"x":null}]})"},
     {"null", R"({"a":2})", R"({"a":6})", R"({"b":1})"}},
    {R"({"enum": [1, "one", null, {"k": [1.5, "\"q\""]}]})",
     {"1", R"("one")", "null", R"({"k":[1.5,"\"q\""]})"},
     {"2", R"("two")", R"({"k":[1.5]})"}},
    {R"({"enum": [1, 5, "x", 12], "type": "integer", "maximum": 9})", {"1", "5"}, {"12", R"("x")"}},
    {R"({"type": "object", "additionalProperties": {"type": "integer"}, "properties": {"n": {"type": "null"}},
        "minProperties": 1, "maxProperties": 2})",
     {R"({"n":null})", R"({"x":1})", R"({"n":null,"nn":1})", R"({"":1,"\"":2})"},
     {"{}", R"({"n":1})", R"({"x":null})", R"({"n":null,"x":1,"y":2})", R"({"x":1,"n":null})"}},
    {R"({"type": "object", "patternProperties": {"^i": {"type": "integer"}, "s$": {"minimum": 10}},
        "additionalProperties": false})",
     {"{}", R"({"i":1})", R"({"s":10,"ix":2})", R"({"is":10})", R"({"s":"any"})"},
     {R"({"is":9})", R"({"is":"x"})", R"({"s":1})", R"({"x":1})"}},
    {R"({"type": "object", "required": ["z"], "properties": {}})",
     {R"({"z":[]})"},
     {"{}", R"({"y":1})"}},
    {R"({"$anchor": "top", "type": "array", "items": {"$ref": "#top"}, "title": "lists", "x-own": 1})",
     {"[]", "[[],[[]]]"},
     {"[1]", "[[]"}},
};

// A value of JSON that is random but for what the masks say.
std::string random_text(const CompiledGrammar& grammar, RandomStream& random) {
  GrammarState state(grammar);
  std::vector<uint64_t> mask(grammar.mask_words());
  std::string text;
  for (int i = 0; i < 300; ++i) {
    if (state.must_stop() || (state.can_stop() && random.below(2) == 0)) return text;
    state.mask(mask);
    std::vector<int32_t> allowed;
    for (size_t word = 0; word < mask.size(); ++word) {
      for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
        allowed.push_back(static_cast<int32_t>(64 * word) + std::countr_zero(bits));
      }
    }
    REQUIRE_FALSE(allowed.empty());
    int32_t token = allowed[random.below(allowed.size())];
    // Brackets and quotes come often enough for texts to end.
    for (const int32_t id : {'"', '}', ']'}) {
      if (random.below(3) == 0 && std::ranges::count(allowed, id) > 0) token = id;
    }
    REQUIRE(state.accept(token));
    text += grammar.tokenizer().token_bytes(token);
  }
  return "";
}

std::string error_of(const std::string& schema, ErrorKind kind) {
  try {
    compiled(schema);
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("JSON schema: valid texts are accepted and others are not") {
  for (const Case& c : kCases) {
    CAPTURE(c.schema);
    const CompiledGrammar grammar = compiled(c.schema);
    for (const std::string& text : c.valid) {
      CAPTURE(text);
      CHECK(accepts(grammar, text));
    }
    for (const std::string& text : c.invalid) {
      CAPTURE(text);
      CHECK_FALSE(accepts(grammar, text));
    }
  }
}

TEST_CASE("JSON schema: random texts are JSON, and compact; with white space they are the same") {
  RandomStream random(6);
  for (const Case& c : kCases) {
    CAPTURE(c.schema);
    const CompiledGrammar grammar = compiled(c.schema);
    const CompiledGrammar spaced = compiled(c.schema, {.whitespace = JsonWhitespace::flexible});
    int complete = 0;
    for (int round = 0; round < 12; ++round) {
      const std::string text = random_text(grammar, random);
      CAPTURE(text);
      if (text.empty()) continue;
      ++complete;
      // Additional properties may repeat a name, which our parser refuses.
      try {
        io::parse_json(text, "text");
      } catch (const Error& error) {
        CHECK(std::string(error.what()).find("appears twice") != std::string::npos);
      }
      CHECK(accepts(grammar, text));
      CHECK(accepts(spaced, text));
    }
    CHECK(complete > 0);
  }
  const CompiledGrammar spaced =
      compiled(R"({"type": "object", "properties": {"a": {"type": "array", "items": true}}})",
               {.whitespace = JsonWhitespace::flexible});
  CHECK(accepts(spaced, "{\n  \"a\": [\n    1, [ ]\n  ]\n}"));
  CHECK_FALSE(accepts(spaced, "{  \"a\":[]}"));
  CHECK_FALSE(accepts(spaced, "{\"a\":[]} "));
}

TEST_CASE("JSON schema: any value is JSON, as deep as it may be") {
  const CompiledGrammar any = compiled("true");
  for (const char* text : {"null", "[1,{\"a\":[true,\"\\u00e9\"]},-1.5e+10]", "{}", "\"\"", "0"}) {
    CAPTURE(text);
    CHECK(accepts(any, text));
  }
  for (const char* text : {"", "nul", "[1 ,2]", "{\"a\"}", "\"\\ud800\"", "-", "01", "[1}"}) {
    CAPTURE(text);
    CHECK_FALSE(accepts(any, text));
  }
  CHECK(accepts(any, std::string(20000, '[') + std::string(20000, ']')));
}

TEST_CASE(
    "JSON schema: objects that name their properties are closed unless the schema says else") {
  const std::string schema = R"({"type": "object", "properties": {"a": true}})";
  CHECK_FALSE(accepts(compiled(schema), R"({"x":1})"));
  CHECK(accepts(compiled(schema, {.closed = false}), R"({"x":1})"));
  CHECK(accepts(compiled(R"({"type": "object"})"), R"({"x":1})"));
  CHECK(accepts(compiled(R"({"properties": {"a": true}, "additionalProperties": true})"),
                R"({"a":1,"x":1})"));
}

TEST_CASE("JSON schema: what is not supported is refused by keyword and place") {
  const auto unsupported = ErrorKind::unsupported;
  CHECK(error_of(R"({"properties": {"a/b": {"items": {"not": {}}}}})", unsupported) ==
        "s.json: /properties/a/b/items: the keyword \"not\" is not supported");
  for (const char* keyword : {"if", "contains", "uniqueItems", "propertyNames", "dependentRequired",
                              "unevaluatedProperties", "$dynamicRef", "unknown"}) {
    CAPTURE(keyword);
    const std::string error = error_of(fmt::format(R"({{"{}": true}})", keyword), unsupported);
    CHECK(error.find(fmt::format("\"{}\"", keyword)) != std::string::npos);
  }
  CHECK(error_of(R"({"format": "regex"})", unsupported).find("\"regex\"") != std::string::npos);
  CHECK(error_of(R"({"pattern": "(a)\\1"})", unsupported).find("back reference") !=
        std::string::npos);
  CHECK(error_of(R"({"$ref": "http://x/y"})", unsupported).find("within the document") !=
        std::string::npos);
}

TEST_CASE("JSON schema: broken schemas are refused with their place") {
  const auto bad = ErrorKind::invalid_input;
  CHECK(error_of("{", bad).starts_with("s.json:1:"));
  CHECK(error_of("3", bad).find("expected a schema") != std::string::npos);
  CHECK(error_of(R"({"type": "int"})", bad).find("expected null, boolean") != std::string::npos);
  CHECK(error_of(R"({"minLength": -1})", bad).find("minLength") != std::string::npos);
  CHECK(error_of(R"({"$ref": "#/$defs/x"})", bad).find("leads nowhere") != std::string::npos);
  CHECK(error_of(R"({"$ref": "#"})", bad).find("circle") != std::string::npos);
  CHECK(error_of("false", bad).find("no text satisfies") != std::string::npos);
  CHECK(error_of(R"({"type": "string", "enum": [1]})", bad).find("no text satisfies") !=
        std::string::npos);
  CHECK(error_of(R"({"type": "integer", "minimum": 5, "maximum": 4})", bad) != "");
  CHECK(error_of(R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})",
                 bad) != "");
}

TEST_CASE("JSON schema: hostile schemas end in an error") {
  const auto much = ErrorKind::exhausted;
  std::string doubling = R"({"$defs": {"d40": {"type": "string"})";
  for (int i = 0; i < 40; ++i) {
    doubling += fmt::format(
        R"(, "d{}": {{"allOf": [{{"$ref": "#/$defs/d{}"}}, {{"$ref": "#/$defs/d{}"}}]}})", i, i + 1,
        i + 1);
  }
  CHECK(error_of(doubling + R"(}, "$ref": "#/$defs/d0", "type": "string"})", much) != "");
  CHECK(error_of(R"({"$defs": {"a": {"$ref": "#/$defs/b", "type": "object"},
      "b": {"$ref": "#/$defs/a", "type": "object"}}, "$ref": "#/$defs/a"})",
                 much) != "");
  CHECK(error_of(
            R"({"type": "array", "items": {"type": "string", "minLength": 9999}, "minItems": 9999,
      "prefixItems": [{"minLength": 100000}]})",
            much) != "");
  CHECK(error_of(R"({"type": "string", "pattern": "(a|b)*a(a|b){40}"})", much) != "");
  CHECK(error_of(R"({"type": "integer", "multipleOf": 1234567})", ErrorKind::unsupported) != "");
}

TEST_CASE("JSON schema: steps that overflow integers when states are counted are refused") {
  // Digits times places, modulo 2^64, would be small.
  for (const char* step :
       {"8.7425327363552425e-193", "7.5292832953916555e-227", "7.2624976668147855e-236",
        "7.1777214294589735e-239", "5000000000000000000", "9223372036854775807"}) {
    CAPTURE(step);
    for (const char* type : {"number", "integer"}) {
      const std::string error = error_of(
          fmt::format(R"({{"type": "{}", "multipleOf": {}}})", type, step), ErrorKind::unsupported);
      CHECK(error.find("expected at most") != std::string::npos);
    }
  }
}

TEST_CASE("JSON schema: counts beyond what is counted are refused, lower and upper ones alike") {
  for (const char* key :
       {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}) {
    CAPTURE(key);
    const std::string error =
        error_of(fmt::format(R"({{"{}": 10001}})", key), ErrorKind::exhausted);
    CHECK(error.find(fmt::format("\"{}\" is 10001, expected at most 10000", key)) !=
          std::string::npos);
  }
  // An upper one that is there is kept, in strings that are listed too.
  CHECK(error_of(R"({"enum": ["a"], "maxLength": 10001})", ErrorKind::exhausted) != "");
  CHECK_FALSE(accepts(compiled(R"({"type": "array", "maxItems": 2})"), "[1,2,3]"));
}

}  // namespace cadre::text
