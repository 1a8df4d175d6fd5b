// Renders many small templates for a comparison with another implementation: a JSON document
//
//   {"cases": [{"template": "...", "variables": {...}}, ...]}
//
// on standard input, and one line for each case on standard output: {"text": "..."} with the spans
// of "generations", or {"error": "...", "kind": N}. With an argument it writes the built-in chat
// template of that name instead.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "core/base/error.h"
#include "core/io/json.h"
#include "text/chat_template_files.h"
#include "text/jinja/template.h"

namespace {

using cadre::io::JsonValue;
using cadre::text::jinja::Rendered;
using cadre::text::jinja::Template;

JsonValue answer(const JsonValue& test) {
  JsonValue line = JsonValue::object();
  try {
    const std::string* source = test.find("template")->get_if<std::string>();
    std::vector<std::pair<std::string, JsonValue>> variables;
    if (const JsonValue* given = test.find("variables")) {
      variables = given->get_if<JsonValue::Object>()->members;
    }
    const Rendered rendered = Template::parse(*source, "template").render(variables);
    JsonValue spans = JsonValue::array();
    for (const auto& [begin, end] : rendered.generations) {
      spans.push(JsonValue::array().push(begin).push(end));
    }
    line.set("text", rendered.text).set("generations", std::move(spans));
  } catch (const cadre::Error& error) {
    line.set("error", error.what()).set("kind", cadre::exit_code(error.kind()));
  }
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    const auto source = cadre::text::builtin_chat_template(argv[1]);
    std::cout << source.value_or("");
    return source ? 0 : 3;
  }
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  const JsonValue document = cadre::io::parse_json(input, "standard input");
  for (const JsonValue& test : *document.find("cases")->get_if<JsonValue::Array>()) {
    std::cout << answer(test).dump() << "\n";
  }
  return 0;
}
