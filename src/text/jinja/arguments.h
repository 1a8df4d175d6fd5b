// What a call hands over, and how it meets the names of parameters.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace cadre::text::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // The value of a named argument, which is taken out; nothing if there is none.
  std::optional<Value> take(std::string_view name);
};

// Arguments by parameter, as Python binds them.
class Bound {
 public:
  // Throws Fault for arguments too few (less than `required`), too many or of unknown names.
  Bound(std::string_view function, const Arguments& arguments,
        std::initializer_list<std::string_view> names, size_t required = 0);

  bool has(size_t index) const { return values_[index].has_value(); }
  const Value& at(size_t index) const { return *values_[index]; }
  Value value_or(size_t index, Value otherwise) const;
  // Of that type, or a Fault that names the parameter.
  bool truth_or(size_t index, bool otherwise) const;
  int64_t integer_or(size_t index, int64_t otherwise) const;
  const std::string& text(size_t index) const;
  // Absent or None counts as not given.
  std::optional<std::string_view> optional_text(size_t index) const;

 private:
  std::string function_;
  std::vector<std::string_view> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace cadre::text::jinja
