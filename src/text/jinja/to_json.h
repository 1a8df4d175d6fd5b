// Values as JSON text, as json.dumps of Python writes them.
#pragma once

#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace cadre::text::jinja {

struct JsonFormat {
  bool ensure_ascii = false;
  std::optional<std::string> indent;  // of one level; on one line without
  std::string item_separator = ", ";  // "," by default with an indent
  std::string key_separator = ": ";
  bool sort_keys = false;
};

// Throws Fault for what JSON has no place for, such as an undefined value.
std::string to_json(Budget& budget, const Value& value, const JsonFormat& format);

}  // namespace cadre::text::jinja
