// cadre report: training runs side by side.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/terminal.h"
#include "core/base/file.h"
#include "train/log/comparison.h"

namespace cadre::cli {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string output = "comparison.html";
  bool json = false;
};

// A number with its unit, or "-" where a run has none.
std::string shown(double value, int digits, const char* unit = "") {
  return std::isfinite(value) ? fmt::format("{:.{}f}{}", value, digits, unit) : "-";
}

void print_runs(const train::Comparison& comparison) {
  size_t width = 3;
  for (const train::RunSummary& run : comparison.runs()) width = std::max(width, run.name.size());
  print("{:<{}} {:>9} {:>11} {:>9} {:>8} {:>5} {:>8}\n", "run", width, "held out", "bits/byte",
        "entropy", "dropped", "dead", "steps");
  for (const train::RunSummary& run : comparison.runs()) {
    print("{:<{}} {:>9} {:>11} {:>9} {:>8} {:>5} {:>8}\n", run.name, width,
          shown(run.held_out_loss, 4), shown(run.bits_per_byte, 4), shown(run.load_entropy, 3),
          shown(100 * run.dropped_share, 1, "%"), shown(run.dead, 0), run.steps);
  }
}

void print_seeds(const train::Comparison& comparison) {
  bool first = true;
  for (const train::RunGroup& group : comparison.groups()) {
    if (group.runs.size() < 2) continue;
    if (first) print_text("\nruns that differ in the seed alone, held-out loss:\n");
    first = false;
    const auto runs = std::ssize(group.runs);
    print("{} +- {} ({} to {}, {} runs)  {}\n", shown(group.mean, 4), shown(group.deviation, 4),
          shown(group.low, 4), shown(group.high, 4),
          group.measured < runs ? fmt::format("{} of {}", group.measured, runs)
                                : fmt::format("{}", runs),
          group.settings);
  }
}

void run(const Options& options) {
  const train::Comparison comparison({options.runs.begin(), options.runs.end()});
  write_file_atomically(options.output, comparison.html());
  if (options.json) {
    print("{}\n", comparison.json().dump());
    return;
  }
  print_runs(comparison);
  print_seeds(comparison);
  print("\nCurves over each other are in {}\n", options.output);
}

}  // namespace

void setup_report(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("runs", options->runs, "Folders of `cadre train`")->required()->type_name("RUN");
  app.add_option("-o,--output", options->output, "The page to write")
      ->type_name("FILE")
      ->capture_default_str();
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre report runs/switch runs/gshard runs/top_k\n"
               "  cadre report runs/* -o seeds.html --json");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
