// Reads metrics.jsonl, the lines of log/records.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "core/io/json_value.h"

namespace cadre::train {

// Calls take(record) for each good line up to and including the step; stops at the first that is
// damaged or beyond it. Returns the bytes of the lines that were taken. A file that is not there
// has none.
uint64_t read_metrics(const std::filesystem::path& file, int64_t last_step,
                      const std::function<void(const io::JsonValue& record)>& take);

}  // namespace cadre::train
