#include "train/log/page.h"

#include "core/base/error.h"

namespace cadre::train {

std::string fill_page(std::string_view page, const io::JsonValue& data) {
  constexpr std::string_view kPlaceholder = "/*REPORT_DATA*/null";
  std::string json = data.dump();
  // Inside a script element only "</" and "<!--" could end it.
  for (size_t at = json.find('<'); at != std::string::npos; at = json.find('<', at)) {
    json.replace(at, 1, "\\u003c");
  }
  const size_t place = page.find(kPlaceholder);
  CADRE_CHECK(place != std::string_view::npos);
  return std::string(page).replace(place, kPlaceholder.size(), json);
}

}  // namespace cadre::train
