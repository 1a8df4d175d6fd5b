// "address.city" or "0": the attribute that a filter such as sort looks at.
#pragma once

#include <optional>
#include <vector>

#include "text/jinja/value.h"

namespace cadre::text::jinja {

class AttributePath {
 public:
  // The value of an `attribute` argument; none for the item itself.
  explicit AttributePath(const std::optional<Value>& attribute);
  // One for each of the attributes between commas.
  static std::vector<AttributePath> several(const std::optional<Value>& attribute);

  // Follows the path; what is undefined on the way becomes `otherwise` if that is given.
  Value of(Budget& budget, Value item, const Value* otherwise = nullptr) const;
  // The same, text in lower case: what Jinja compares by unless told otherwise.
  Value key(Budget& budget, Value item, bool case_sensitive) const;

 private:
  std::vector<Value> parts_;
};

}  // namespace cadre::text::jinja
