// What a cache of experts did during a command.
#pragma once

#include <filesystem>

#include "core/base/disk_speed.h"
#include "core/io/json_value.h"
#include "model/expert_cache.h"
#include "model/stored_model.h"

namespace cadre::cli {

// A line to standard error, for a model whose experts are not all in memory.
void report_experts(const model::LoadedModel& loaded);
// {"experts", "slots", "slot_bytes", "page_bytes", "uses", "hits", "hit_rate", "read_bytes",
// "read_seconds", "load_seconds", "read_bytes_per_second", "guesses", "right_guesses",
// "guessed_misses", "guessing"}: fields of model::ExpertCacheStatistics
io::JsonValue experts_json(const model::ExpertCacheStatistics& statistics);

// The disk under a stored model: its largest file is read. With `drop_cache` none of its files is
// in the system's cache afterwards.
DiskSpeed disk_speed_of(const std::filesystem::path& place, bool drop_cache);

}  // namespace cadre::cli
