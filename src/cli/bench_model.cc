// cadre bench MODEL: reading prompts and writing text, beside the limits of the machine.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench.h"
#include "cli/bench_sequences.h"
#include "cli/expert_report.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "core/base/pages.h"
#include "core/io/json_value.h"
#include "core/ops/roofline.h"

namespace cadre::cli {
namespace {

struct Row {
  std::string test;
  int64_t batch = 1;
  int64_t depth = 0;
  int64_t tokens = 0;  // of one repetition, all sequences together
  std::vector<double> seconds = {};
  double least_seconds = 0.0;
  double bytes = 0.0;
  double ops = 0.0;
  // Of all repetitions, for a model with a limit of memory.
  std::optional<model::ExpertCacheStatistics> experts = {};
  int64_t disk_bytes = 0;  // that came from the disk and not from the system's cache

  double all_seconds() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }
  double rate() const { return static_cast<double>(tokens) / median_of(seconds); }
  double limit() const { return static_cast<double>(tokens) / least_seconds; }
  // Bytes of experts read in one repetition.
  double read_bytes() const {
    return experts ? static_cast<double>(experts->read_bytes) / static_cast<double>(seconds.size())
                   : 0.0;
  }
  // Reading what the cache lacked takes that long at least, if the system has none of it.
  double share_of_disk(const DiskSpeed& disk) const {
    return read_bytes() / disk.bytes_per_second / median_of(seconds);
  }
  // What came from the disk while anything was being read.
  double reading_rate() const {
    return experts->read_seconds > 0.0 ? static_cast<double>(disk_bytes) / experts->read_seconds
                                       : 0.0;
  }
};

// Counts what a cache of experts does in the timed repetitions of a row.
class ExpertCount {
 public:
  explicit ExpertCount(const BenchSequences& sequences) : cache_(sequences.experts()) {}
  void begin() {
    if (cache_ != nullptr) cache_->reset_statistics();
    disk_bytes_ = disk_read_bytes();
  }
  void end(Row& row) const {
    if (cache_ != nullptr) row.experts = cache_->statistics();
    row.disk_bytes = disk_read_bytes() - disk_bytes_;
  }

 private:
  model::ExpertCache* cache_;
  int64_t disk_bytes_ = 0;
};

void add_cost(Row& row, const model::PassCost& cost, const ops::Roofline& machine) {
  row.least_seconds += cost.seconds(machine);
  row.bytes += cost.bytes;
  row.ops += cost.i8_ops + cost.bf16_flops + cost.f32_flops;
}

// One prompt of `tokens`, in passes of `chunk`, behind `depth` tokens that are in the cache.
Row measure_prefill(BenchSequences& sequences, const BenchModelOptions& options, int64_t tokens,
                    int64_t depth, const ops::Roofline& machine) {
  Row row = {.test = fmt::format("pp{}", tokens), .depth = depth, .tokens = tokens};
  ExpertCount experts(sequences);
  for (int64_t repeat = 0; repeat <= options.repetitions; ++repeat) {
    sequences.reset(1, depth);
    if (repeat == 1) experts.begin();
    const bool last = repeat == options.repetitions;
    double seconds = 0.0;
    for (int64_t done = 0; done < tokens; done += options.chunk) {
      const BenchPass pass = sequences.pass(std::min(options.chunk, tokens - done));
      seconds += pass.seconds;
      if (last) add_cost(row, pass.cost, machine);
    }
    if (repeat > 0) row.seconds.push_back(seconds);  // the first warms up
  }
  experts.end(row);
  return row;
}

// `tokens` for each of `batch` sequences, one at a time.
Row measure_decode(BenchSequences& sequences, const BenchModelOptions& options, int64_t tokens,
                   int64_t batch, int64_t depth, const ops::Roofline& machine) {
  Row row = {.test = fmt::format("tg{}", tokens),
             .batch = batch,
             .depth = depth,
             .tokens = tokens * batch};
  ExpertCount experts(sequences);
  for (int64_t repeat = 0; repeat <= options.repetitions; ++repeat) {
    sequences.reset(batch, std::max<int64_t>(depth, 1));
    if (repeat == 1) experts.begin();
    const bool last = repeat == options.repetitions;
    const int64_t steps = repeat == 0 ? std::min<int64_t>(tokens, 8) : tokens;
    double seconds = 0.0;
    for (int64_t step = 0; step < steps; ++step) {
      const BenchPass pass = sequences.pass(1);
      seconds += pass.seconds;
      if (last) add_cost(row, pass.cost, machine);
    }
    if (repeat > 0) row.seconds.push_back(seconds);
  }
  experts.end(row);
  return row;
}

io::JsonValue as_json(const Row& row, const std::optional<DiskSpeed>& disk) {
  io::JsonValue json = io::JsonValue::object();
  json.set("test", row.test)
      .set("batch", row.batch)
      .set("depth", row.depth)
      .set("tokens", row.tokens)
      .set("seconds", row.seconds)
      .set("tokens_per_second", row.rate())
      .set("limit_tokens_per_second", row.limit())
      .set("share_of_limit", row.rate() / row.limit())
      .set("bytes_per_second", row.bytes / median_of(row.seconds))
      .set("ops_per_second", row.ops / median_of(row.seconds));
  if (row.experts && disk) {
    json.set("experts", experts_json(*row.experts))
        .set("read_bytes_per_repetition", row.read_bytes())
        .set("disk_bytes", row.disk_bytes)
        .set("share_of_disk", row.share_of_disk(*disk))
        .set("share_of_disk_while_reading", row.reading_rate() / disk->bytes_per_second);
  }
  return json;
}

void print_experts(const Row& row, const DiskSpeed& disk) {
  const model::ExpertCacheStatistics& experts = *row.experts;
  const auto share = [](double part, double whole) { return 100.0 * part / std::max(1.0, whole); };
  print(
      "{:>10} {:.1f} % of {} uses in memory; {} read a repetition, {}/s over the whole test: "
      "{:.1f} % of the disk; the system's cache had {:.0f} %\n",
      "experts:", share(static_cast<double>(experts.hits), static_cast<double>(experts.uses)),
      grouped(experts.uses), human_bytes(row.read_bytes()),
      human_bytes(row.read_bytes() / median_of(row.seconds)), 100 * row.share_of_disk(disk),
      std::max(0.0, 100.0 - share(static_cast<double>(row.disk_bytes),
                                  static_cast<double>(experts.read_bytes))));
  print(
      "{:>10} {}/s from the disk in the {:.0f} % of the time in which it was read: {:.1f} % of it; "
      "{:.0f} % waited for experts\n",
      "", human_bytes(row.reading_rate()), 100.0 * experts.read_seconds / row.all_seconds(),
      share(row.reading_rate(), disk.bytes_per_second),
      100.0 * experts.load_seconds / row.all_seconds());
}

void print_disk(const DiskSpeed& disk, const model::ExpertCacheStatistics& experts) {
  print("disk: {}/s read {}; {} of {} experts in memory, {}\n\n",
        human_bytes(disk.bytes_per_second),
        disk.past_cache ? "past the system's cache" : "after dropping the file from the cache",
        experts.slots, experts.experts, human_bytes(static_cast<double>(experts.bytes)));
}

void print_row(const Row& row, const std::optional<DiskSpeed>& disk) {
  const auto [least, most] = std::ranges::minmax(row.seconds);
  print("{:>10} {:>6} {:>7} {:>12.2f} {:>17} {:>12.1f} {:>7.1f}% {:>11} {:>12}\n", row.test,
        row.batch, row.depth, row.rate(),
        fmt::format("{:.1f} to {:.1f}", static_cast<double>(row.tokens) / most,
                    static_cast<double>(row.tokens) / least),
        row.limit(), 100 * row.rate() / row.limit(),
        human_bytes(row.bytes / median_of(row.seconds)) + "/s",
        human_count(row.ops / median_of(row.seconds)) + "OP/s");
  if (row.experts && disk) print_experts(row, *disk);
  flush_output();
}

}  // namespace

void run_bench_model(const BenchModelOptions& options) {
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  const ops::Roofline machine = ops::measure_roofline(ctx);
  ctx.allocator().release_unused();
  BenchSequences sequences(ctx, options);
  std::optional<DiskSpeed> disk;
  if (sequences.experts() != nullptr) {
    disk = disk_speed_of(find_model(options.model), options.load.drop_cache);
  }
  io::JsonValue rows = io::JsonValue::array();
  if (!options.json) {
    print("{}: {} parameters, {} in memory ({}), {} threads, {} kernels\n", sequences.name(),
          human_count(static_cast<double>(sequences.num_parameters())),
          human_bytes(static_cast<double>(sequences.weight_bytes())), options.load.weights,
          runtime.pool().num_threads(), runtime.table().name);
    print("limits: {}OP/s in int8, {}FLOP/s in bf16, {}/s read\n\n", human_count(machine.i8_ops),
          human_count(machine.bf16_flops), human_bytes(machine.read_bytes));
    if (disk) print_disk(*disk, sequences.experts()->statistics());
    print("{:>10} {:>6} {:>7} {:>12} {:>17} {:>12} {:>8} {:>11} {:>12}\n", "test", "batch", "depth",
          "tokens/s", "range", "limit", "of it", "memory", "arithmetic");
  }
  const auto show = [&](const Row& row) {
    if (options.json) {
      rows.push(as_json(row, disk));
    } else {
      print_row(row, disk);
    }
  };
  for (const int64_t depth : options.depths) {
    for (const int64_t tokens : options.prompts) {
      if (tokens > 0) show(measure_prefill(sequences, options, tokens, depth, machine));
    }
    for (const int64_t tokens : options.texts) {
      for (const int64_t batch : options.batches) {
        if (tokens == 0) continue;
        show(measure_decode(sequences, options, tokens, batch, depth, machine));
      }
    }
  }
  if (!options.json) return;
  io::JsonValue json = io::JsonValue::object();
  json.set("model", sequences.name())
      .set("parameters", sequences.num_parameters())
      .set("weight_bytes", sequences.weight_bytes())
      .set("weights", options.load.weights)
      .set("threads", static_cast<int64_t>(runtime.pool().num_threads()))
      .set("kernels", runtime.table().name)
      .set("i8_ops_per_second", machine.i8_ops)
      .set("bf16_flops_per_second", machine.bf16_flops)
      .set("read_bytes_per_second", machine.read_bytes)
      .set("results", std::move(rows));
  if (disk) {
    json.set("disk_bytes_per_second", disk->bytes_per_second)
        .set("disk_past_cache", disk->past_cache);
  }
  print("{}\n", json.pretty());
}

void add_bench_model_options(CLI::App& app, BenchModelOptions& options) {
  app.add_option("model", options.model, "A model or run folder, or a .gguf file")
      ->type_name("MODEL");
  app.add_option("--random", options.random,
                 "Instead of a stored model one of random weights: a config.json or the folder of "
                 "one")
      ->type_name("CONFIG");
  app.add_option("-p,--n-prompt", options.prompts, "Tokens of prompts, 0 for none")
      ->type_name("N,...")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("-n,--n-gen", options.texts, "Tokens of texts, 0 for none")
      ->type_name("N,...")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("-b,--n-parallel", options.batches, "Sequences that are continued at once")
      ->type_name("N,...")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("-d,--n-depth", options.depths, "Tokens that the cache holds before")
      ->type_name("N,...")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("-r,--repetitions", options.repetitions, "Timed repetitions of each test")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--chunk", options.chunk, "Tokens of a prompt in one pass")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  app.add_option("--cache-type", options.cache_type,
                 "How keys and values are kept: auto as they are computed, int8 in 9 bits a number")
      ->check(CLI::IsMember({"auto", "int8"}))
      ->capture_default_str();
  add_model_options(app, options.load);
  app.add_flag("--drop-cache", options.load.drop_cache,
               "With --memory, forget what was read, so that the disk has to read it again");
}

}  // namespace cadre::cli
