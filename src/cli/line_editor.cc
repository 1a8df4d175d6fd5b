#include "cli/line_editor.h"

#include <histedit.h>

#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>

#include "core/base/error.h"

namespace cadre::cli {

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string prompt;
  std::string history_file;
  bool interrupted = false;

  static State& of(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<State*>(data);
  }
  static char* show_prompt(EditLine* editor) { return of(editor).prompt.data(); }
  // Bound to Ctrl-C: ends the line as if it had been sent.
  static unsigned char interrupt(EditLine* editor, wint_t) {
    of(editor).interrupted = true;
    return CC_NEWLINE;
  }
};

LineEditor::LineEditor(std::string history_file) : state_(std::make_unique<State>()) {
  // Characters of several bytes are edited as one only under a locale that knows them.
  const char* kind = std::setlocale(LC_CTYPE, "");
  if (kind == nullptr || std::strstr(kind, "UTF-8") == nullptr) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
  }
  State& state = *state_;
  state.history_file = std::move(history_file);
  state.editor = el_init("cadre", stdin, stdout, stderr);
  state.history = history_init();
  if (state.editor == nullptr || state.history == nullptr) {
    fail(ErrorKind::exhausted, "the line editor cannot be set up on this terminal");
  }
  history(state.history, &state.event, H_SETSIZE, 1000);
  history(state.history, &state.event, H_SETUNIQUE, 1);
  if (!state.history_file.empty()) {
    history(state.history, &state.event, H_LOAD, state.history_file.c_str());
  }
  el_set(state.editor, EL_CLIENTDATA, &state);
  el_set(state.editor, EL_PROMPT, State::show_prompt);
  el_set(state.editor, EL_EDITOR, "emacs");
  el_set(state.editor, EL_HIST, history, state.history);
  // Of narrow strings libedit would make copies that it never frees.
  el_wset(state.editor, EL_ADDFN, L"cadre-interrupt", L"Drop the line", State::interrupt);
  el_set(state.editor, EL_SETTY, "-d", "-isig", nullptr);
  el_set(state.editor, EL_BIND, "^C", "cadre-interrupt", nullptr);
  el_set(state.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  if (!state_->history_file.empty()) {
    history(state_->history, &state_->event, H_SAVE, state_->history_file.c_str());
  }
  if (state_->history != nullptr) history_end(state_->history);
  if (state_->editor != nullptr) el_end(state_->editor);
}

LineEditor::End LineEditor::read(const std::string& prompt, std::string& line) {
  state_->prompt = prompt;
  state_->interrupted = false;
  // By itself libedit shows the prompt first, and a key pressed in between would be the terminal's.
  el_set(state_->editor, EL_PREP_TERM, 1);
  int count = 0;
  const char* text = el_gets(state_->editor, &count);
  if (state_->interrupted) return End::interrupted;
  if (text == nullptr || count <= 0) return End::closed;
  line.assign(text, static_cast<size_t>(count));
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  return End::line;
}

void LineEditor::remember(const std::string& text) {
  if (text.empty()) return;
  history(state_->history, &state_->event, H_ENTER, text.c_str());
}

}  // namespace cadre::cli
