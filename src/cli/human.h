// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace cadre::cli {

// Three significant digits and a decimal prefix: 999, 1.25k, 6.92G.
std::string human_count(double value);
// The same with binary prefixes: 512 B, 1.50 KiB, 13.8 GiB.
std::string human_bytes(double bytes);
// 0.42 s, 12 s, 3:05, 2:03:05, 4 d 02:03.
std::string human_duration(double seconds);
// All digits in groups of three: 6,919,161,856.
std::string grouped(int64_t value);

}  // namespace cadre::cli
