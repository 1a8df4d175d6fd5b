#include "text/utf8.h"

#include <doctest/doctest.h>

#include "text/byte_level.h"
#include "text/text_cases.h"

namespace cadre::text {
namespace {

std::string repaired(std::string_view text) {
  std::string out;
  append_repaired(text, out);
  return out;
}

}  // namespace

TEST_CASE("append_repaired: one U+FFFD for each maximal broken part, as in Python") {
  const std::string bad = "\xef\xbf\xbd";
  CHECK(repaired("abc") == "abc");
  CHECK(repaired("a\xff"
                 "b") == "a" + bad + "b");
  CHECK(repaired("\xe2\x82"
                 "x") == bad + "x");                   // cut short by another character
  CHECK(repaired("\xf0\x9f\x98") == bad);              // cut short by the end
  CHECK(repaired("\xed\xa0\x80") == bad + bad + bad);  // a surrogate
  CHECK(repaired("\xc0\xaf") == bad + bad);            // overlong
  CHECK(repaired("\xf4\x90\x80\x80") == bad + bad + bad + bad);
  CHECK(repaired("\x80\xe2\x82\xac\xc3") == bad + "\xe2\x82\xac" + bad);
}

TEST_CASE("append_repaired: gives valid text for any bytes and leaves valid text alone") {
  RandomStream random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = random_bytes(random, static_cast<int64_t>(random.below(20)));
    CHECK(is_valid_utf8(repaired(bytes)));
    const std::string text = random_text(random, 10);
    REQUIRE(is_valid_utf8(text));
    CHECK(repaired(text) == text);
  }
}

TEST_CASE("complete_prefix: what is shown early is what would be shown at the end") {
  RandomStream random(2);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = i % 2 == 0 ? random_bytes(random, 12) : random_text(random, 6);
    std::string shown;
    std::string pending;
    for (char byte : bytes) {
      pending += byte;
      const size_t ready = complete_prefix(pending);
      shown += repaired(pending.substr(0, ready));
      pending.erase(0, ready);
      CHECK(pending.size() <= 3);
    }
    CHECK(shown + repaired(pending) == repaired(bytes));
  }
}

TEST_CASE("byte-level alphabet: writing undoes reading for all bytes") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const std::string written = bytes_to_written(all);
  CHECK(is_valid_utf8(written));
  CHECK(written_to_bytes(written) == all);
  CHECK(bytes_to_written(" a\n") == "\u0120a\u010a");
  CHECK(!written_to_bytes("two words"));
}

}  // namespace cadre::text
