// The pages that runs are shown on, each one file that works offline.
#pragma once

#include <string>
#include <string_view>

#include "core/io/json_value.h"

namespace cadre::train {

// report.html and comparison.html of page/, compiled into the program.
std::string_view report_page();
std::string_view comparison_page();

// The page with its data in place. Nothing in the data can end the script that it stands in.
std::string fill_page(std::string_view page, const io::JsonValue& data);

}  // namespace cadre::train
