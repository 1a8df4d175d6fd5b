// A number for each character, in pages of 256 that exist where something was set.
#pragma once

#include <cstdint>
#include <vector>

namespace cadre::text {

class CodePointMap {
 public:
  CodePointMap() : pages_(0x110000 >> 8, 0), values_(256, -1) {}

  // value must be a Unicode code point.
  void set(char32_t value, int32_t number) {
    uint16_t& page = pages_[value >> 8];
    if (page == 0) {
      page = static_cast<uint16_t>(values_.size() >> 8);
      values_.resize(values_.size() + 256, -1);
    }
    values_[static_cast<size_t>(page) << 8 | (value & 0xff)] = number;
  }

  // -1 where nothing was set.
  int32_t operator[](char32_t value) const {
    return values_[static_cast<size_t>(pages_[value >> 8]) << 8 | (value & 0xff)];
  }

 private:
  std::vector<uint16_t> pages_;  // page 0 is empty
  std::vector<int32_t> values_;
};

}  // namespace cadre::text
