// Standard output as programs need it, and what a terminal is told apart by.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace cadre::cli {

// Thrown by print when whoever read our output has gone (`cadre ... | head`): a reason to stop, but
// not an error. The program then ends quietly.
struct OutputClosed {};

// Thrown when a job has ended early and in good order because of a signal; the program then ends
// with the code that shells give to that: 128 + number.
struct Interrupted {
  int signal;
};

// Writes to standard output, buffered. Throws OutputClosed, or Error(exhausted) if the output is a
// file and its disk is full.
void print_text(std::string_view text);
void flush_output();

template <typename... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}

// One line to standard error; a failure to write there is nobody's to know.
void print_error(std::string_view line);

// Whether a person watches standard error or standard output: it is a terminal that can move its
// cursor.
bool stderr_is_terminal();
bool stdout_is_terminal();

// Columns of the terminal at standard error; 80 if not known.
int terminal_width();

}  // namespace cadre::cli
