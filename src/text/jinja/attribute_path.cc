#include "text/jinja/attribute_path.h"

#include <algorithm>

#include "text/jinja/attributes.h"
#include "text/jinja/python_text.h"

namespace cadre::text::jinja {

AttributePath::AttributePath(const std::optional<Value>& attribute) {
  if (!attribute || attribute->is_none()) return;
  const std::string* text = attribute->string();
  if (text == nullptr) {
    parts_.push_back(*attribute);
    return;
  }
  for (const std::string_view part : split(*text, ".", -1)) {
    const bool digits =
        !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    const auto index = digits ? parse_integer(part, 10) : std::nullopt;
    parts_.push_back(index ? Value(*index) : Value(part));
  }
}

std::vector<AttributePath> AttributePath::several(const std::optional<Value>& attribute) {
  std::vector<AttributePath> paths;
  if (attribute && attribute->string()) {
    for (const std::string_view part : split(*attribute->string(), ",", -1)) {
      paths.emplace_back(Value(part));
    }
  } else {
    paths.emplace_back(attribute);
  }
  return paths;
}

Value AttributePath::of(Budget& budget, Value item, const Value* otherwise) const {
  for (const Value& part : parts_) {
    item = item_of(budget, item, part);
    if (otherwise != nullptr && item.is_undefined()) item = *otherwise;
  }
  return item;
}

Value AttributePath::key(Budget& budget, Value item, bool case_sensitive) const {
  Value value = of(budget, std::move(item));
  if (case_sensitive || !value.string()) return value;
  budget.string(static_cast<int64_t>(2 * value.string()->size()));
  return lower(*value.string());
}

}  // namespace cadre::text::jinja
