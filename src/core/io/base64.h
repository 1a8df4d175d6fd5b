// Base64 (RFC 4648), in which files of text hold binary tables and names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cadre::io {

// The bytes; nothing if the text is not canonical base64 with its padding.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace cadre::io
