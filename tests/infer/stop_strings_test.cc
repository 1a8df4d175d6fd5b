#include "infer/stop_strings.h"

#include <doctest/doctest.h>

#include "core/base/error.h"
#include "core/base/random.h"

namespace cadre {
namespace {

using infer::StopStrings;

// The definition: the earliest end of a stop string, and of those that end there the longest.
std::string plain_cut(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

std::string random_letters(RandomStream& random, uint64_t longest) {
  std::string text;
  for (uint64_t i = random.below(longest) + 1; i > 0; --i) {
    text += static_cast<char>('a' + random.below(3));
  }
  return text;
}

}  // namespace

TEST_CASE("stop strings: any pieces give the text before the first one, and never take back") {
  RandomStream random(3);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> stops;
    for (uint64_t i = random.below(4); i > 0; --i) stops.push_back(random_letters(random, 5));
    const std::string text = random_letters(random, 40);
    CAPTURE(text);
    StopStrings stream(stops);
    std::string shown;
    for (size_t at = 0; at < text.size() && !stream.found();) {
      const size_t size = std::min<size_t>(1 + random.below(6), text.size() - at);
      shown += stream.push(text.substr(at, size));
      at += size;
      // Nothing that is shown may be part of a stop string that is still to come.
      CHECK(plain_cut(text, stops).starts_with(shown));
    }
    const bool found = stream.found();
    CHECK(found == (plain_cut(text, stops).size() < text.size()));
    if (!found) shown += stream.finish();
    CHECK(shown == plain_cut(text, stops));
  }
}

TEST_CASE("stop strings: what cannot be part of one is shown at once") {
  StopStrings stream({"\n\nUser:", "</s>"});
  CHECK(stream.push("Hello") == "Hello");
  CHECK(stream.push(" there\n") == " there");
  CHECK(stream.push("\n") == "");
  CHECK(stream.push("U") == "");
  CHECK(stream.push("nder") == "\n\nUnder");
  CHECK(stream.push(" <") == " ");
  CHECK(stream.push("/s") == "");
  CHECK_FALSE(stream.found());
  CHECK(stream.push("> more") == "");
  CHECK(stream.found());
  CHECK(stream.string() == "</s>");
  CHECK(stream.push("x") == "");
}

TEST_CASE("stop strings: without any, text passes through; what was held back comes in the end") {
  StopStrings none({});
  CHECK(none.push("abc") == "abc");
  StopStrings one({"abc"});
  CHECK(one.push("xab") == "x");
  CHECK(one.finish() == "ab");
  CHECK(one.push("c") == "c");
  CHECK_THROWS_AS(StopStrings({""}), Error);
  CHECK_THROWS_AS(StopStrings(std::vector<std::string>(65, "x")), Error);
  CHECK_THROWS_AS(StopStrings({std::string(5000, 'x')}), Error);
}

}  // namespace cadre
