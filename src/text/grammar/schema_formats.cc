#include "text/grammar/schema_formats.h"

#include <array>
#include <utility>

namespace cadre::text::grammar {
namespace {

// Years from 1000; the 29th of February in leap years only.
const std::string kDate =
    R"(([1-9]\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|)"
    R"(02-(0[1-9]|1\d|2[0-8]))|([1-9]\d(0[48]|[2468][048]|[13579][26])|)"
    R"(([2468][048]|[13579][26])00)-02-29))";
// Without leap seconds, which only some midnights have.
const std::string kTime =
    R"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d))";
const std::string kClock = R"((\d{1,9}H(\d{1,9}M(\d{1,9}S)?)?|\d{1,9}M(\d{1,9}S)?|\d{1,9}S))";
const std::string kDuration = R"(P(\d{1,9}W|(\d{1,9}Y(\d{1,9}M(\d{1,9}D)?)?|\d{1,9}M(\d{1,9}D)?|)"
                              R"(\d{1,9}D)(T)" +
                              kClock + ")?|T" + kClock + ")";
const std::string kOctet = R"((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
const std::string kIpv4 = kOctet + R"((\.)" + kOctet + "){3}";
// Up to four labels of at most 59 characters: below the limits of 63 and 253.
const std::string kLabel = "[A-Za-z0-9](-?[A-Za-z0-9]){0,29}";
const std::string kHost = kLabel + R"((\.)" + kLabel + "){0,3}";
const std::string kMailbox = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}";
const std::string kUriChar = R"(([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}))";

std::string ipv6() {
  // RFC 4291: eight groups, of which one run of zeros may be written as ::.
  const std::string group = "[0-9A-Fa-f]{1,4}";
  const auto groups = [&](int count) {
    return group + "(:" + group + "){0," + std::to_string(count - 1) + "}";
  };
  std::string all = "(" + group + ":){7}" + group;
  for (int before = 0; before <= 7; ++before) {
    const int after = 7 - before;
    all += "|" +
           (before == 0 ? "" : "(" + group + ":){" + std::to_string(before - 1) + "}" + group) +
           "::" + (after == 0 ? "" : "(" + groups(after) + ")?");
  }
  return all;
}

const std::array<std::pair<std::string_view, std::string>, 12> kFormats = {{
    {"date", kDate},
    {"time", kTime},
    {"date-time", kDate + "T" + kTime},
    {"duration", kDuration},
    {"uuid", "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
    {"ipv4", kIpv4},
    {"ipv6", ipv6()},
    {"email", kMailbox + R"((\.)" + kMailbox + "){0,2}@" + kHost},
    {"hostname", kHost},
    {"uri", "[a-z][a-z0-9+.-]{0,15}://" + kHost + R"((:[1-9]\d{0,3})?(/)" + kUriChar +
                R"(*)*(\?()" + kUriChar + "|[/?])*)?(#(" + kUriChar + "|[/?])*)?"},
    {"json-pointer", "(/([^/~]|~[01])*)*"},
    {"uri-reference", "(/" + kUriChar + "*)+"},
}};

}  // namespace

std::string format_pattern(std::string_view format) {
  for (const auto& [name, pattern] : kFormats) {
    if (name == format) return pattern;
  }
  return "";
}

std::string format_names() {
  std::string names;
  for (const auto& [name, pattern] : kFormats)
    names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

}  // namespace cadre::text::grammar
