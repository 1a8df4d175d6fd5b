#include "cli/human.h"

#include <doctest/doctest.h>

#include <cstdint>

namespace cadre::cli {

TEST_CASE("human_count: three digits at every scale, never four") {
  CHECK(human_count(0) == "0");
  CHECK(human_count(999) == "999");
  CHECK(human_count(999.7) == "1.00k");
  CHECK(human_count(1250) == "1.25k");
  CHECK(human_count(99'960) == "100k");
  CHECK(human_count(6'919'161'856) == "6.92G");
  CHECK(human_count(-1500) == "-1.50k");
  CHECK(human_count(0.5) == "0.50");
}

TEST_CASE("human_bytes: binary prefixes") {
  CHECK(human_bytes(512) == "512 B");
  CHECK(human_bytes(1536) == "1.50 KiB");
  CHECK(human_bytes(13.8 * (1 << 30)) == "13.8 GiB");
}

TEST_CASE("human_duration: from parts of a second to days") {
  CHECK(human_duration(0.42) == "0.42 s");
  CHECK(human_duration(12) == "12 s");
  CHECK(human_duration(59.7) == "1:00");
  CHECK(human_duration(185) == "3:05");
  CHECK(human_duration(7385) == "2:03:05");
  CHECK(human_duration(4 * 86400 + 7385) == "4 d 02:03");
  CHECK(human_duration(-1) == "?");
}

TEST_CASE("grouped: all digits, in groups of three") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(-123456) == "-123,456");
  CHECK(grouped(6919161856) == "6,919,161,856");
  CHECK(grouped(INT64_MIN) == "-9,223,372,036,854,775,808");
}

}  // namespace cadre::cli
