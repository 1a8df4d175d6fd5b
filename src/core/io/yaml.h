// YAML that others wrote, as the JSON that it would be: plain scalars become null, booleans,
// integers and numbers where YAML's core schema says so.
#pragma once

#include <filesystem>

#include "core/io/json_value.h"

namespace cadre::io {

// Throws Error(not_found), and Error(corrupt_data) `file:line:column: ...` for text that is no YAML
// of one document, repeats a key or uses anchors.
JsonValue read_yaml_file(const std::filesystem::path& file);
JsonValue parse_yaml(const std::string& text, const std::string& where);

}  // namespace cadre::io
