// The page of report.html (log/report.html, compiled in) with a place for its data.
#pragma once

#include <string_view>

namespace cadre::train {

std::string_view report_template();

}  // namespace cadre::train
