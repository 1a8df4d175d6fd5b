// The language of templates: what jinja2 gives for each of these is written beside it.
#include <doctest/doctest.h>

#include <string>

#include "core/io/json.h"
#include "tests/expect_error.h"
#include "text/jinja/template.h"

namespace cadre::text::jinja {
namespace {

std::string render(const std::string& source, const std::string& variables = "{}",
                   const Limits& limits = {}) {
  const io::JsonValue json = io::parse_json(variables, "variables");
  return Template::parse(source, "t", limits)
      .render(json.get_if<io::JsonValue::Object>()->members)
      .text;
}

std::string refusal(ErrorKind kind, const std::string& source,
                    const std::string& variables = "{}") {
  return error_of(kind, [&] { render(source, variables); });
}

}  // namespace

TEST_CASE("jinja: white space around tags goes as trim_blocks and lstrip_blocks say") {
  CHECK(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n") == "a\n  b\nc");
  CHECK(render("a {% if true %} b {% endif %} c") == "a  b  c");
  CHECK(render("a\n  {%+ if true %}b{% endif %}") == "a\n  b");
  CHECK(render("{% if true +%}\nb{% endif %}") == "\nb");
  CHECK(render("a \n {%- if true -%} \n b \n {%- endif -%} \n c") == "abc");
  CHECK(render("a\n  {{ 1 }}\nb {{- 2 -}} c") == "a\n  1\nb2c");
  CHECK(render("a\n  {# note #}\nb{#- x -#} c") == "a\nbc");
  CHECK(render("{% raw %}{{ x }}{% endraw %}\n{%- raw -%} {% y %} {%- endraw %}") ==
        "{{ x }}{% y %}");
  CHECK(render("a\r\nb\rc\n\n") == "a\nb\nc\n");
  CHECK(render("{{ '}}' }}{{ {'a': {}} }}{{ \"%}\" }}") == "}}{'a': {}}%}");
}

TEST_CASE("jinja: loops have scopes, namespaces leave them") {
  CHECK(render(
            "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}") ==
        "2 3 1");
  CHECK(
      render("{% set n = namespace(x=1) %}{% for i in [1, 2] %}{% set n.x = n.x + i %}{% endfor %}"
             "{{ n.x }}") == "4");
  CHECK(render("{% if true %}{% set x = 5 %}{% endif %}{{ x }}") == "5");
  CHECK(render("{% for a, b in {'x': 1, 'y': 2}.items() %}{{ a }}{{ b }}{{ ',' if not loop.last }}"
               "{% endfor %}") == "x1,y2");
  CHECK(render("{% for i in [] %}x{% else %}none{% endfor %}") == "none");
  CHECK(render("{% for i in range(9) if i % 2 %}{% if i > 6 %}{% break %}{% endif %}"
               "{% if i == 3 %}{% continue %}{% endif %}{{ i }}/{{ loop.length }} {% endfor %}") ==
        "1/4 5/4 ");
  CHECK(render("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}"
               "{{ m(1) }}{{ m(b=3, a=4) }}{% call m(5) %}!{% endcall %}") == "124352!");
}

TEST_CASE("jinja: numbers, text and containers behave as Python's") {
  CHECK(render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** -1 }} {{ -2 ** 2 }} {{ 1e16 }}") ==
        "-4 2 3.5 0.5 4 1e+16");
  CHECK(render("{{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e-5 }} {{ true }} {{ none }} {{ [1, 'a', none] }}") ==
        "1.0 0.30000000000000004 1e-05 True None [1, 'a', None]");
  CHECK(render("{{ \"it's\"|list|string }} {{ ['it\\'s'] }} {{ ('a',) }} {{ {'a': (1, 2)} }}") ==
        "['i', 't', \"'\", 's'] [\"it's\"] ('a',) {'a': (1, 2)}");
  CHECK(render("{{ 'h\xc3\xa9llo'[1] }}{{ 'h\xc3\xa9llo'[::-1] }}{{ 'h\xc3\xa9llo'|length }}") ==
        "\xc3\xa9oll\xc3\xa9h5");
  CHECK(render("{{ 1 < 2 < 3 }} {{ 1 == 1.0 == true }} {{ 'a' in 'abc' }} {{ 2 not in [1] }}") ==
        "True True True True");
  CHECK(render("{{ '' or 'x' }} {{ 0 and 1 }} {{ not [] }} {{ 1 if false }}|") == "x 0 True |");
  CHECK(render("{{ 'a' 'b' ~ 1 ~ none }}") == "ab1None");
  CHECK(render("{{ 'a\\x41\\u00e9\\n\\q' }}") == "aA\xc3\xa9\n\\q");
}

TEST_CASE("jinja: integers of 64 bits stay exact in filters") {
  CHECK(render("{{ 25|round(-1) }} {{ 35|round(-1) }} {{ -25|round(-1) }} {{ -149|round(-2) }}") ==
        "20 40 -20 -100");
  CHECK(render("{{ 9223372036854775803|round(-1) }} {{ 9223372036854775807|round(-20) }}") ==
        "9223372036854775800 0");
  CHECK(render("{{ 9007199254740993|round }} {{ 7|round(400, 'ceil') }}") ==
        "9007199254740993 7.0");
  refusal(ErrorKind::exhausted, "{{ 9223372036854775807|round(-1) }}");
  refusal(ErrorKind::exhausted, "{{ 9223372036854775807|round(-19) }}");
  const std::string most = "9223372036854775807";
  CHECK(render("{{ 'a b'|truncate(" + most + ", false, '', " + most + ") }}") == "a b");
}

TEST_CASE("jinja: what is undefined prints as nothing, and any other use is refused") {
  CHECK(render("{{ x }}{{ x|default('d') }}{{ x is defined }}{% for i in x %}{% endfor %}") ==
        "dFalse");
  CHECK(contains(refusal(ErrorKind::invalid_input, "a\n{{ x.y }}"), "t:2: 'x' is undefined"));
  CHECK(contains(refusal(ErrorKind::invalid_input, "{{ m.a.b }}", R"({"m": {}})"),
                 "'dict object' has no attribute 'a'"));
  CHECK(contains(refusal(ErrorKind::invalid_input, "{{ [1].append(2) }}"), "unsafe"));
  CHECK(contains(refusal(ErrorKind::invalid_input, "{{ x + 1 }}"), "'x' is undefined"));
  CHECK(contains(refusal(ErrorKind::invalid_input, "\n\n{{ raise_exception('no ' ~ 1) }}"),
                 "t:3: no 1"));
}

TEST_CASE("jinja: a macro whose arguments do not fit is named") {
  // Long and short: one lies in memory of its own, the other within the string.
  for (const std::string name : {"a_macro_with_a_name_of_some_length", "m"}) {
    const std::string macro = "{% macro " + name + "(a) %}{{ a }}{% endmacro %}";
    for (const std::string call : {"(1, 2)", "(1, b=2)"}) {
      CHECK(contains(refusal(ErrorKind::invalid_input, macro + "{{ " + name + call + " }}"),
                     "macro '" + name + "' takes no"));
    }
  }
}

TEST_CASE("jinja: what is no template is refused with its line") {
  for (const char* source :
       {"{% if %}", "{% if x %}", "{{ a b }}", "{% endif %}", "{{ 'a }}", "{% for x %}{% endfor %}",
        "{{ (1 }}", "{% nonsense %}", "{{ 1 + }}", "{% break %}", "{# open", "{% raw %}open",
        "{% set 1 = 2 %}", "{{ x is }}", "{% macro m(a=1, b) %}{% endmacro %}", "{{ [1, 2 }}"}) {
    CAPTURE(source);
    refusal(ErrorKind::corrupt_data, source);
  }
  CHECK(contains(refusal(ErrorKind::corrupt_data, "a\nb\n{{ 1 + }}"), "t:3: "));
  refusal(ErrorKind::unsupported, "{% include 'a' %}");
  refusal(ErrorKind::unsupported, "{% block a %}{% endblock %}");
  refusal(ErrorKind::unsupported, "{{ 1|nonsense }}");
}

// Each would take the machine's memory, stack or patience without limits.
TEST_CASE("jinja: hostile templates end in an Error, soon") {
  const auto repeat = [](const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
  };
  const std::string templates[] = {
      "{{ 'a' * 9999999999 }}",
      "{{ [0] * 9999999999 }}",
      "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}"
      "{% endfor %}",
      "{% set n = namespace(x=[1]) %}{% for i in range(150) %}{% set n.x = [n.x, n.x] %}{% endfor "
      "%}"
      "{{ n.x }}",
      "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(150) %}{% set n.x = [n.x, n.x] %}"
      "{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
      "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = [n.x] %}{% endfor %}",
      "{% set n = namespace(x={}) %}{% for i in range(99999) %}{% set n.x = {'a': n.x}.get %}"
      "{% endfor %}",
      "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
      "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
      "{{ range(1000000) }}{{ range(9999999)|list }}",
      "{{ '%999999999d' % 1 }}",
      "{{ '{:999999999}'.format(1) }}",
      "{{ 'a'.center(99999999999) }}",
      "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
      "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
      "{{ 2 ** 99999999 }}",
      "{{ [[1, 2, 3]]|tojson(indent=99999999999) }}",
      "{{ " + repeat("(", 100000) + " }}",
      "{{ " + repeat("[", 5000) + repeat("]", 5000) + " }}",
      "{{ " + repeat("-", 100000) + "1 }}",
      "{{ " + repeat("not ", 100000) + "1 }}",
      "{{ 1" + repeat(" + 1", 100000) + " }}",
      "{{ x" + repeat(".x", 100000) + " }}",
      "{{ 1" + repeat("|abs", 100000) + " }}",
      "{{ 1" + repeat(" if 1 else 1", 100000) + " }}",
      repeat("{% if 1 %}", 50000),
      repeat("{% for x in y %}", 50000) + repeat("{% endfor %}", 50000),
      "{{ f" + repeat("(f", 50000) + " }}",
      "{{ " + repeat("{1:", 50000) + " }}",
      repeat("{{ 1 }}", 200000),
  };
  for (const std::string& source : templates) {
    CAPTURE(source.substr(0, 120));
    bool refused = false;
    try {
      render(source);
    } catch (const Error& error) {
      refused = true;
      CHECK(error.kind() != ErrorKind::internal);
    }
    CHECK(refused);
  }
}

TEST_CASE("jinja: macros and namespaces that hold themselves are freed") {
  // Leaks are for the sanitizer to find.
  CHECK(render("{% set n = namespace() %}{% set n.n = n %}{% macro m() %}{{ n }}{% endmacro %}"
               "{% set n.m = m %}{% for x in [1, 2] %}{{ loop.changed(loop) }}{% endfor %}ok") ==
        "TrueFalseok");
}

TEST_CASE("jinja: a budget is for one rendering") {
  Limits limits;
  limits.max_steps = 2000;
  const Template small =
      Template::parse("{% for i in range(50) %}{{ i }}{% endfor %}", "t", limits);
  for (int i = 0; i < 50; ++i) CHECK(small.render({}).text.starts_with("0123"));
}

}  // namespace cadre::text::jinja
