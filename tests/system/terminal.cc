// Runs a command in a pseudo-terminal, as a user would who follows a script:
//
//   terminal SCRIPT COMMAND...
//
//   > TEXT   types TEXT and the return key
//   ^C, ^D   types that key
//   ? TEXT   waits until TEXT has appeared behind what was waited for last
//   = CODE   waits until the command ends with that exit code
//
// Ends with 1, showing all output, if something does not happen within a minute.
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

class Terminal {
 public:
  explicit Terminal(char** command) {
    winsize size{};
    size.ws_col = 100;
    size.ws_row = 30;
    child_ = forkpty(&descriptor_, nullptr, nullptr, &size);
    if (child_ == 0) {
      setenv("TERM", "xterm", 1);
      execvp(command[0], command);
      std::_Exit(127);
    }
  }

  void type(const std::string& keys) {
    if (write(descriptor_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
      give_up("cannot type");
    }
  }

  void wait_for(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (;;) {
      const size_t found = output_.find(text, seen_);
      if (found != std::string::npos) {
        seen_ = found + text.size();
        return;
      }
      if (!read_some() || std::chrono::steady_clock::now() > deadline) {
        give_up("never saw: " + text);
      }
    }
  }

  void wait_for_end(int code) {
    while (read_some()) {
    }
    int status = 0;
    pid_t ended = 0;
    for (int tenths = 0; tenths < 300 && ended == 0; ++tenths) {
      ended = waitpid(child_, &status, WNOHANG);
      if (ended == 0) usleep(100'000);
    }
    if (ended == 0) give_up("never ended");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
      give_up("ended with status " + std::to_string(status));
    }
  }

 private:
  // False at the end of the output, or after a minute of silence.
  bool read_some() {
    pollfd descriptor{descriptor_, POLLIN, 0};
    if (poll(&descriptor, 1, 60'000) <= 0) return false;
    std::array<char, 4096> buffer;
    const ssize_t size = read(descriptor_, buffer.data(), buffer.size());
    if (size <= 0) return false;
    output_.append(buffer.data(), static_cast<size_t>(size));
    return true;
  }

  [[noreturn]] void give_up(const std::string& reason) {
    std::cerr << "terminal: " << reason << "\n--- output\n" << output_ << "\n";
    kill(child_, SIGKILL);
    std::exit(1);
  }

  int descriptor_ = -1;
  pid_t child_ = -1;
  std::string output_;
  size_t seen_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::ifstream script(argv[1]);
  Terminal terminal(argv + 2);
  for (std::string line; std::getline(script, line);) {
    if (line.starts_with("> ")) {
      terminal.type(line.substr(2) + "\r");
    } else if (line == "^C") {
      terminal.type("\x03");
    } else if (line == "^D") {
      terminal.type("\x04");
    } else if (line.starts_with("? ")) {
      terminal.wait_for(line.substr(2));
    } else if (line.starts_with("= ")) {
      terminal.wait_for_end(std::stoi(line.substr(2)));
    } else if (!line.empty()) {
      std::cerr << "terminal: cannot follow: " << line << "\n";
      return 2;
    }
  }
  return 0;
}
