// value.name and value[key], in the order in which Jinja's sandbox looks.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace cadre::text::jinja {

// A method or attribute first, then a key; undefined if there is neither. Methods that would change
// a list or a dict are undefined too, and calling them says why.
Value attribute_of(Budget& budget, const Value& object, std::string_view name);
// A key or an index first, then a method or attribute.
Value item_of(Budget& budget, const Value& object, const Value& key);

// The method of that name, bound to the value (string_methods.cc, container_methods.cc).
std::optional<Value> string_method(const Value& self, std::string_view name);
std::optional<Value> container_method(const Value& self, std::string_view name);

}  // namespace cadre::text::jinja
