// cadre bench: the machine's limits, and how near to them inference, training and the mixture layer
// come.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/bench.h"
#include "cli/bench_sequences.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/io/fields_io.h"
#include "core/io/json_value.h"
#include "core/io/toml.h"
#include "core/ops/roofline.h"

namespace cadre::cli {
namespace {

struct Options {
  bool roofline = false;
  bool tune = false;
  BenchModelOptions model;
};

void run_roofline(const BenchModelOptions& options) {
  Runtime runtime(options.runtime);
  const ops::Roofline limits = ops::measure_roofline(runtime.context());
  const std::string& processor = runtime.features().model_name;
  if (options.json) {
    io::JsonValue json = io::JsonValue::object();
    json.set("processor", processor)
        .set("threads", static_cast<int64_t>(runtime.pool().num_threads()))
        .set("kernels", runtime.table().name)
        .set("f32_flops_per_second", limits.f32_flops)
        .set("bf16_flops_per_second", limits.bf16_flops)
        .set("i8_ops_per_second", limits.i8_ops)
        .set("read_bytes_per_second", limits.read_bytes)
        .set("write_bytes_per_second", limits.write_bytes)
        .set("copy_bytes_per_second", limits.copy_bytes);
    print("{}\n", json.pretty());
    return;
  }
  print("{}, {} threads, {} kernels\n", processor.empty() ? "processor" : processor,
        runtime.pool().num_threads(), runtime.table().name);
  print("f32    {}FLOP/s\n", human_count(limits.f32_flops));
  print("bf16   {}FLOP/s\n", human_count(limits.bf16_flops));
  print("int8   {}OP/s\n", human_count(limits.i8_ops));
  print("read   {}B/s\n", human_count(limits.read_bytes));
  print("write  {}B/s\n", human_count(limits.write_bytes));
  print("copy   {}B/s, read and written together\n", human_count(limits.copy_bytes));
}

void run_tune(const BenchModelOptions& options) {
  Runtime runtime(options.runtime);
  const std::filesystem::path file = tuning_file();
  if (file.empty()) {
    fail(ErrorKind::invalid_input,
         "no place to keep what is measured: set HOME or XDG_CACHE_HOME to a folder");
  }
  Crossovers found = ops::measure_crossovers(runtime.context());
  save_tuning(file, runtime.tuning_key(), found);
  if (options.json) {
    io::JsonValue json = io::fields_to_json(io::list_fields(found));
    print("{}\n", json.set("file", file.string()).pretty());
    return;
  }
  for (const io::Field& field : io::list_fields(found)) {
    print("{:<12} {:>6}   {}\n", field.name, io::toml_text(io::field_value(field)), field.help);
  }
  print("written to {}\n", file.string());
}

}  // namespace

void setup_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_flag("--roofline", options->roofline,
               "Measure what this machine can do at most: arithmetic and memory");
  app.add_flag("--tune", options->tune,
               "Measure which of several ways of computing is quickest here, and keep it for all "
               "commands; results do not change");
  add_bench_model_options(app, options->model);
  add_fields(app, options->model.runtime, "Machine");
  add_json_flag(app, options->model.json);
  app.require_subcommand(0, 1);
  setup_bench_train(*app.add_subcommand("train", "Whole training steps"));
  setup_bench_moe(*app.add_subcommand("moe", "The mixture layer against a dense one"));
  add_examples(app,
               "  cadre bench --roofline\n"
               "  cadre bench --tune\n"
               "  cadre bench olmoe-q8_0.gguf -p 512 -n 128 -b 1,8,32 -d 0,4096\n"
               "  cadre bench mixtral-q4_k.gguf --memory 8G -n 64\n"
               "  cadre bench --random OLMoE-1B-7B-0924/config.json --weights q4_0 --json\n"
               "  cadre bench train --json\n"
               "  cadre bench moe --threads 1");
  app.callback([options, &app] {
    if (!app.get_subcommands().empty()) return;
    if (options->roofline) {
      run_roofline(options->model);
    } else if (options->tune) {
      run_tune(options->model);
    } else if (!options->model.model.empty() || !options->model.random.empty()) {
      run_bench_model(options->model);
    } else {
      print_text(app.help());
    }
  });
}

}  // namespace cadre::cli
