#include "cli/chat_input.h"

#include <doctest/doctest.h>

#include <deque>
#include <vector>

namespace cadre::cli {
namespace {

std::vector<std::string> messages_of(std::deque<std::string> lines) {
  const LineSource source = [&](bool) -> std::optional<std::string> {
    if (lines.empty()) return std::nullopt;
    std::string line = lines.front();
    lines.pop_front();
    return line;
  };
  std::vector<std::string> messages;
  while (const auto message = read_message(source)) messages.push_back(*message);
  return messages;
}

using Messages = std::vector<std::string>;

}  // namespace

TEST_CASE("chat input: a line is a message, and more lines where they are marked") {
  CHECK(messages_of({"a", "b"}) == Messages{"a", "b"});
  CHECK(messages_of({"a\\", "b\\", "c", "d"}) == Messages{"a\nb\nc", "d"});
  CHECK(messages_of({"\"\"\"", "a", "", "b", "\"\"\"", "c"}) == Messages{"a\n\nb", "c"});
  CHECK(messages_of({"\"\"\"a", "b\"\"\"", "c"}) == Messages{"a\nb", "c"});
  CHECK(messages_of({"\"\"\"a\"\"\""}) == Messages{"a"});
  CHECK(messages_of({""}) == Messages{""});
}

TEST_CASE("chat input: what the end of the input cuts off counts as far as it came") {
  CHECK(messages_of({"a\\"}) == Messages{"a"});
  CHECK(messages_of({"\"\"\"a", "b"}) == Messages{"a\nb"});
  CHECK(messages_of({}).empty());
}

}  // namespace cadre::cli
