// Lines from the terminal, with editing keys and history.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace cadre::cli {

// Standard input and output must be a terminal. One at a time.
class LineEditor {
 public:
  enum class End { line, interrupted, closed };

  // `history_file` may be empty; otherwise lines are remembered there.
  explicit LineEditor(std::string history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Reads a line, without its newline. `interrupted` is Ctrl-C, `closed` Ctrl-D on an empty line or
  // the terminal's end. Ctrl-C then is a key like any other, and no signal.
  End read(const std::string& prompt, std::string& line);
  // Adds to the history what arrow keys bring back.
  void remember(const std::string& text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cadre::cli
