#include "text/jinja/attributes.h"

#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {
namespace {

Value missing(const Value& object, const Value& key, Budget& budget) {
  if (key.string()) {
    return Value::undefined(fmt::format("'{} object' has no attribute {}", object.type_name(),
                                        text_repr(*key.string())));
  }
  return Value::undefined(
      fmt::format("{} object has no element {}", object.type_name(), repr(budget, key)));
}

std::optional<Value> own_attribute(Budget& budget, const Value& object, std::string_view name) {
  if (name.starts_with('_')) return std::nullopt;
  if (Object* held = object.object()) return held->attribute(budget, name);
  if (object.string()) return string_method(object, name);
  if (const auto method = container_method(object, name)) return method;
  if (object.integer() && name == "real") return *object.integer();
  return std::nullopt;
}

std::optional<Value> element(Budget& budget, const Value& object, const Value& key) {
  if (const Dict* dict = object.dict()) {
    if (key.list() || key.dict()) return std::nullopt;
    const Value* found = dict->find(budget, key);
    return found == nullptr ? std::nullopt : std::optional<Value>(*found);
  }
  if (!key.integer()) return std::nullopt;
  int64_t index = *key.integer();
  const std::string* text = object.string();
  const auto* items = object.sequence();
  const Range* range = object.get_if<Range>();
  if (!text && !items && !range) return std::nullopt;
  const int64_t size = *length(object);
  if (text) budget.steps(size / 64);
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  if (items) return (*items)[static_cast<size_t>(index)];
  if (range) return range->at(index);
  return slice(budget, object, index, index + 1, None{});
}

}  // namespace

Value attribute_of(Budget& budget, const Value& object, std::string_view name) {
  if (object.is_undefined()) raise_undefined(object);
  if (auto found = own_attribute(budget, object, name)) return std::move(*found);
  if (const Dict* dict = object.dict()) {
    if (const Value* found = dict->find(name)) return *found;
  }
  return missing(object, name, budget);
}

Value item_of(Budget& budget, const Value& object, const Value& key) {
  if (object.is_undefined()) raise_undefined(object);
  if (auto found = element(budget, object, key)) return std::move(*found);
  if (const std::string* name = key.string()) {
    if (auto found = own_attribute(budget, object, *name)) return std::move(*found);
  }
  return missing(object, key, budget);
}

}  // namespace cadre::text::jinja
