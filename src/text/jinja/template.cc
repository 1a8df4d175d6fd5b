#include "text/jinja/template.h"

#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"
#include "text/utf8.h"

namespace cadre::text::jinja {
namespace {

std::string repaired(std::string_view text) {
  std::string out;
  append_repaired(text, out);
  return out;
}

Value from_json(Budget& budget, const io::JsonValue& json) {
  budget.steps();
  if (const bool* flag = json.get_if<bool>()) return *flag;
  if (const int64_t* number = json.get_if<int64_t>()) return *number;
  if (const double* number = json.get_if<double>()) return *number;
  if (const std::string* text = json.get_if<std::string>()) {
    budget.string(static_cast<int64_t>(text->size()));
    return repaired(*text);
  }
  if (const auto* array = json.get_if<io::JsonValue::Array>()) {
    std::vector<Value> items;
    items.reserve(array->size());
    for (const io::JsonValue& item : *array) items.push_back(from_json(budget, item));
    return Value::list(budget, std::move(items));
  }
  if (const auto* object = json.get_if<io::JsonValue::Object>()) {
    auto dict = std::make_shared<Dict>();
    for (const auto& [key, value] : object->members) {
      dict->set(budget, repaired(key), from_json(budget, value));
    }
    return Shared<Dict>(std::move(dict));
  }
  return None{};
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local;
}

}  // namespace

Template Template::parse(std::string_view source, std::string where, const Limits& limits) {
  try {
    NodePtr body = jinja::parse(repaired(source), limits);
    return {std::move(body), std::move(where), limits};
  } catch (const SyntaxFault& fault) {
    throw Error(fault.kind, fmt::format("{}:{}: {}", where, fault.line, fault.message));
  }
}

Rendered Template::render(const std::vector<std::pair<std::string, io::JsonValue>>& variables,
                          const std::function<std::tm()>& now) const {
  Interpreter interpreter(limits_, now ? now : local_time);
  try {
    for (const auto& [name, value] : variables) {
      interpreter.define(name, from_json(interpreter.budget(), value));
    }
    Rendered rendered;
    rendered.text = interpreter.render(*body_);
    for (const Span& span : interpreter.generations()) {
      rendered.generations.emplace_back(span.begin, span.end);
    }
    return rendered;
  } catch (const Fault& fault) {
    throw Error(fault.kind, fmt::format("{}:{}: {}", where_, interpreter.line(), fault.message));
  }
}

}  // namespace cadre::text::jinja
