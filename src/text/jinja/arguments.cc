#include "text/jinja/arguments.h"

#include <algorithm>

#include "text/jinja/operators.h"

namespace cadre::text::jinja {

std::optional<Value> Arguments::take(std::string_view name) {
  const auto found = std::ranges::find(
      named, name, [](const auto& entry) { return std::string_view(entry.first); });
  if (found == named.end()) return std::nullopt;
  Value value = std::move(found->second);
  named.erase(found);
  return value;
}

Bound::Bound(std::string_view function, const Arguments& arguments,
             std::initializer_list<std::string_view> names, size_t required)
    : function_(function), names_(names), values_(names.size()) {
  if (arguments.positional.size() > names_.size()) {
    raise("{}() takes at most {} arguments, {} given", function, names_.size(),
          arguments.positional.size());
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::ranges::find(names_, std::string_view(name));
    if (found == names_.end()) {
      raise("{}() got an unexpected keyword argument '{}'", function, name);
    }
    auto& slot = values_[static_cast<size_t>(found - names_.begin())];
    if (slot) raise("{}() got multiple values for argument '{}'", function, name);
    slot = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!values_[i]) raise("{}() misses the argument '{}'", function, names_[i]);
  }
}

Value Bound::value_or(size_t index, Value otherwise) const {
  return values_[index] ? *values_[index] : std::move(otherwise);
}

bool Bound::truth_or(size_t index, bool otherwise) const {
  return values_[index] ? values_[index]->truth() : otherwise;
}

int64_t Bound::integer_or(size_t index, int64_t otherwise) const {
  if (!values_[index]) return otherwise;
  const auto number = values_[index]->integer();
  if (values_[index]->is_undefined()) raise_undefined(*values_[index]);
  if (!number) {
    raise("{}(): {} is a {}, expected an int", function_, names_[index],
          values_[index]->type_name());
  }
  return *number;
}

const std::string& Bound::text(size_t index) const {
  const std::string* text = values_[index]->string();
  if (values_[index]->is_undefined()) raise_undefined(*values_[index]);
  if (text == nullptr) {
    raise("{}(): {} is a {}, expected a str", function_, names_[index],
          values_[index]->type_name());
  }
  return *text;
}

std::optional<std::string_view> Bound::optional_text(size_t index) const {
  if (!values_[index] || values_[index]->is_none()) return std::nullopt;
  return text(index);
}

}  // namespace cadre::text::jinja
