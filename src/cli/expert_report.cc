#include "cli/expert_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/human.h"
#include "cli/terminal.h"

namespace cadre::cli {
namespace {

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

double read_rate(const model::ExpertCacheStatistics& statistics) {
  return statistics.read_seconds > 0.0
             ? static_cast<double>(statistics.read_bytes) / statistics.read_seconds
             : 0.0;
}

}  // namespace

void report_experts(const model::LoadedModel& loaded) {
  if (!loaded.experts) return;
  const model::ExpertCacheStatistics statistics = loaded.experts->statistics();
  std::string guesses = statistics.guessing ? "guesses on" : "guesses off";
  if (statistics.guessed_misses > 0) {
    guesses += fmt::format(", {:.0f} % of misses foreseen, {:.0f} % of guesses right",
                           100 * share(statistics.right_guesses, statistics.guessed_misses),
                           100 * share(statistics.right_guesses, statistics.guesses));
  }
  print_error(fmt::format(
      "experts: {} of {} in memory ({}), {:.1f} % of {} uses found there, {} read at {}/s, {:.1f} "
      "s "
      "waited for them ({})",
      statistics.slots, statistics.experts, human_bytes(static_cast<double>(statistics.bytes)),
      100 * share(statistics.hits, statistics.uses), grouped(statistics.uses),
      human_bytes(static_cast<double>(statistics.read_bytes)), human_bytes(read_rate(statistics)),
      statistics.load_seconds, guesses));
}

io::JsonValue experts_json(const model::ExpertCacheStatistics& statistics) {
  io::JsonValue json = io::JsonValue::object();
  json.set("experts", statistics.experts)
      .set("slots", statistics.slots)
      .set("slot_bytes", statistics.bytes)
      .set("page_bytes", statistics.page_bytes)
      .set("uses", statistics.uses)
      .set("hits", statistics.hits)
      .set("hit_rate", share(statistics.hits, statistics.uses))
      .set("read_bytes", statistics.read_bytes)
      .set("read_seconds", statistics.read_seconds)
      .set("load_seconds", statistics.load_seconds)
      .set("read_bytes_per_second", read_rate(statistics))
      .set("guesses", statistics.guesses)
      .set("right_guesses", statistics.right_guesses)
      .set("guessed_misses", statistics.guessed_misses)
      .set("guessing", statistics.guessing);
  return json;
}

DiskSpeed disk_speed_of(const std::filesystem::path& place, bool drop_cache) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files = {place};
  if (fs::is_directory(place) || place.extension() == ".json") {
    files.clear();
    const fs::path folder = fs::is_directory(place) ? place : place.parent_path();
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  if (drop_cache) std::ranges::for_each(files, drop_cached_pages);
  return measure_disk_speed(*std::ranges::max_element(
      files, {}, [](const fs::path& file) { return fs::file_size(file); }));
}

}  // namespace cadre::cli
