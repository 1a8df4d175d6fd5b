#include "text/grammar/char_set.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <string>

#include "text/utf8.h"

namespace cadre::text::grammar {
namespace {

constexpr char32_t kLastChar = 0x10ffff;
constexpr CharRange kSurrogates = {0xd800, 0xdfff};

struct Category {
  std::string_view name;
  std::string_view long_name;
  utf8proc_category_t first;
  utf8proc_category_t last;
};

constexpr std::array<Category, 35> kCategories = {{
    {"L", "Letter", UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO},
    {"Lu", "Uppercase_Letter", UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LU},
    {"Ll", "Lowercase_Letter", UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LL},
    {"Lt", "Titlecase_Letter", UTF8PROC_CATEGORY_LT, UTF8PROC_CATEGORY_LT},
    {"Lm", "Modifier_Letter", UTF8PROC_CATEGORY_LM, UTF8PROC_CATEGORY_LM},
    {"Lo", "Other_Letter", UTF8PROC_CATEGORY_LO, UTF8PROC_CATEGORY_LO},
    {"M", "Mark", UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME},
    {"Mn", "Nonspacing_Mark", UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MN},
    {"Mc", "Spacing_Mark", UTF8PROC_CATEGORY_MC, UTF8PROC_CATEGORY_MC},
    {"Me", "Enclosing_Mark", UTF8PROC_CATEGORY_ME, UTF8PROC_CATEGORY_ME},
    {"N", "Number", UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO},
    {"Nd", "Decimal_Number", UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_ND},
    {"Nl", "Letter_Number", UTF8PROC_CATEGORY_NL, UTF8PROC_CATEGORY_NL},
    {"No", "Other_Number", UTF8PROC_CATEGORY_NO, UTF8PROC_CATEGORY_NO},
    {"P", "Punctuation", UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO},
    {"Pc", "Connector_Punctuation", UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PC},
    {"Pd", "Dash_Punctuation", UTF8PROC_CATEGORY_PD, UTF8PROC_CATEGORY_PD},
    {"Ps", "Open_Punctuation", UTF8PROC_CATEGORY_PS, UTF8PROC_CATEGORY_PS},
    {"Pe", "Close_Punctuation", UTF8PROC_CATEGORY_PE, UTF8PROC_CATEGORY_PE},
    {"Pi", "Initial_Punctuation", UTF8PROC_CATEGORY_PI, UTF8PROC_CATEGORY_PI},
    {"Pf", "Final_Punctuation", UTF8PROC_CATEGORY_PF, UTF8PROC_CATEGORY_PF},
    {"Po", "Other_Punctuation", UTF8PROC_CATEGORY_PO, UTF8PROC_CATEGORY_PO},
    {"S", "Symbol", UTF8PROC_CATEGORY_SM, UTF8PROC_CATEGORY_SO},
    {"Sm", "Math_Symbol", UTF8PROC_CATEGORY_SM, UTF8PROC_CATEGORY_SM},
    {"Sc", "Currency_Symbol", UTF8PROC_CATEGORY_SC, UTF8PROC_CATEGORY_SC},
    {"Sk", "Modifier_Symbol", UTF8PROC_CATEGORY_SK, UTF8PROC_CATEGORY_SK},
    {"So", "Other_Symbol", UTF8PROC_CATEGORY_SO, UTF8PROC_CATEGORY_SO},
    {"Z", "Separator", UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP},
    {"Zs", "Space_Separator", UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZS},
    {"Zl", "Line_Separator", UTF8PROC_CATEGORY_ZL, UTF8PROC_CATEGORY_ZL},
    {"Zp", "Paragraph_Separator", UTF8PROC_CATEGORY_ZP, UTF8PROC_CATEGORY_ZP},
    {"Cc", "Control", UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CC},
    {"Cf", "Format", UTF8PROC_CATEGORY_CF, UTF8PROC_CATEGORY_CF},
    {"Co", "Private_Use", UTF8PROC_CATEGORY_CO, UTF8PROC_CATEGORY_CO},
    {"Cn", "Unassigned", UTF8PROC_CATEGORY_CN, UTF8PROC_CATEGORY_CN},
}};

}  // namespace

CharSet::CharSet(std::vector<CharRange> ranges) {
  std::ranges::sort(ranges, {}, &CharRange::low);
  const auto add = [&](char32_t low, char32_t high) {
    if (low > high) return;
    if (!ranges_.empty() && low <= ranges_.back().high + 1) {
      ranges_.back().high = std::max(ranges_.back().high, high);
    } else {
      ranges_.push_back({low, high});
    }
  };
  for (const CharRange& range : ranges) {
    const char32_t high = std::min(range.high, kLastChar);
    add(range.low, std::min<char32_t>(high, kSurrogates.low - 1));
    add(std::max<char32_t>(range.low, kSurrogates.high + 1), high);
  }
}

CharSet CharSet::all() { return CharSet({{0, kLastChar}}); }

bool CharSet::contains(char32_t value) const {
  const auto after = std::ranges::upper_bound(ranges_, value, {}, &CharRange::low);
  return after != ranges_.begin() && value <= std::prev(after)->high;
}

CharSet CharSet::complement() const {
  std::vector<CharRange> gaps;
  char32_t next = 0;
  for (const CharRange& range : ranges_) {
    if (range.low > next) gaps.push_back({next, range.low - 1});
    next = range.high + 1;
  }
  if (next <= kLastChar) gaps.push_back({next, kLastChar});
  return CharSet(std::move(gaps));
}

CharSet operator|(const CharSet& a, const CharSet& b) {
  std::vector<CharRange> ranges = a.ranges();
  ranges.insert(ranges.end(), b.ranges().begin(), b.ranges().end());
  return CharSet(std::move(ranges));
}

CharSet operator&(const CharSet& a, const CharSet& b) {
  std::vector<CharRange> common;
  auto left = a.ranges().begin();
  auto right = b.ranges().begin();
  while (left != a.ranges().end() && right != b.ranges().end()) {
    const char32_t low = std::max(left->low, right->low);
    const char32_t high = std::min(left->high, right->high);
    if (low <= high) common.push_back({low, high});
    if (left->high < right->high) {
      ++left;
    } else {
      ++right;
    }
  }
  return CharSet(std::move(common));
}

bool find_category(std::string_view name, CharSet& out) {
  const auto found = std::ranges::find_if(kCategories, [&](const Category& category) {
    return category.name == name || category.long_name == name;
  });
  if (found == kCategories.end()) return false;
  std::vector<CharRange> ranges;
  for (char32_t c = 0; c <= kLastChar; ++c) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    if (category < found->first || category > found->last) continue;
    if (!ranges.empty() && ranges.back().high + 1 == c) {
      ranges.back().high = c;
    } else {
      ranges.push_back({c, c});
    }
  }
  out = CharSet(std::move(ranges));
  return true;
}

std::vector<std::vector<ByteRange>> utf8_sequences(CharRange range) {
  std::vector<std::vector<ByteRange>> sequences;
  std::vector<CharRange> work = {range};
  while (!work.empty()) {
    CharRange part = work.back();
    work.pop_back();
    // Split where the number of bytes changes, then until all but the first differing byte run over
    // all their values.
    bool split = false;
    const auto split_after = [&](char32_t last) {
      if (part.low > last || part.high <= last) return;
      work.push_back({last + 1, part.high});
      part.high = last;
      split = true;
    };
    for (const char32_t last : {0xffffu, 0x7ffu, 0x7fu}) split_after(last);
    if (!split) {
      for (int i = 1; i < 4 && !split; ++i) {
        if (part.high < 0x80) break;
        const char32_t mask = (char32_t{1} << (6 * i)) - 1;
        if ((part.low & ~mask) == (part.high & ~mask)) continue;
        if ((part.low & mask) != 0) {
          split_after(part.low | mask);
        } else if ((part.high & mask) != mask) {
          split_after((part.high & ~mask) - 1);
        }
      }
    }
    if (split) {
      work.push_back(part);
      continue;
    }
    std::string low;
    std::string high;
    append_utf8(part.low, low);
    append_utf8(part.high, high);
    std::vector<ByteRange> sequence;
    for (size_t i = 0; i < low.size(); ++i) {
      sequence.push_back({static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i])});
    }
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

}  // namespace cadre::text::grammar
