// Messages out of lines: what a user types before an answer begins.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace cadre::cli {

// One line without its newline; nothing at the end of the input. `first` tells the first line of a
// message from those that continue it.
using LineSource = std::function<std::optional<std::string>(bool first)>;

// Reads a message: one line; or lines that end in a backslash, and the next; or all between a line
// that begins with """ and one that ends with it. Nothing at the end of the input; a message that
// the end cuts off counts as far as it came.
std::optional<std::string> read_message(const LineSource& next_line);

}  // namespace cadre::cli
