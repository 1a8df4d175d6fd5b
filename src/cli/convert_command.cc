// cadre convert: a model in other files.

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/convert.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/model_input.h"
#include "cli/progress.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/base/file.h"
#include "core/base/staged_output.h"
#include "core/io/json_value.h"
#include "model/convert.h"
#include "model/format.h"
#include "model/stored_model.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model;
  std::string output;
  std::string to;
  std::string dtype = "auto";
  std::string max_shard_size = "5GB";
  bool force = false;
  bool no_check = false;
  bool json = false;
  RuntimeOptions runtime;
};

// What --to says, or the name of the output.
std::string target_of(const Options& options) {
  if (!options.to.empty()) return options.to;
  return fs::path(options.output).extension() == ".gguf" ? "gguf" : "hf";
}

void check_room(const fs::path& output, int64_t bytes) {
  const uint64_t room = free_disk_bytes(output);
  if (static_cast<uint64_t>(bytes) > room) {
    fail(ErrorKind::exhausted, "{}: the output takes {}, but the disk has {} left", output.string(),
         human_bytes(static_cast<double>(bytes)), human_bytes(static_cast<double>(room)));
  }
}

io::JsonValue as_json(const fs::path& place, const ConvertTarget& target, int64_t tensors,
                      bool checked, double seconds) {
  io::JsonValue json = io::JsonValue::object();
  json.set("output", place.string())
      .set("format", target.name)
      .set("tensors", tensors)
      .set("bytes", target.bytes)
      .set("checked", checked)
      .set("seconds", seconds);
  return json;
}

void run(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const fs::path place = find_model(options.model);
  expect_outside(place, options.output);
  const model::ModelSpec spec = model::read_spec(place);
  const std::unique_ptr<const model::Weights> weights = model::open_weights(place, spec);
  const ConvertTarget target = convert_target(target_of(options), options.dtype,
                                              parse_bytes(options.max_shard_size), *weights, spec);
  StagedOutput output(options.output, options.force);
  check_room(output.place(), target.bytes);
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  {
    StoppableBar bar("converting", "bytes");
    target.write(ctx, place, output.temporary(), std::ref(bar));
  }
  const model::ModelSpec found = model::read_spec(output.temporary());
  const auto written = model::open_weights(output.temporary(), found);
  check_same_spec(spec, found);
  if (!options.no_check) {
    StoppableBar bar("checking", "elements");
    model::expect_same_weights(ctx, *weights, *written, std::ref(bar));
  }
  const int64_t tensors = written->num_tensors();
  output.commit();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.json) {
    print("{}\n", as_json(output.place(), target, tensors, !options.no_check, seconds).dump());
    return;
  }
  print("{}: {}, {} tensors, {}, in {}{}\n", output.place().string(), target.name, grouped(tensors),
        human_bytes(static_cast<double>(target.bytes)), human_duration(seconds),
        options.no_check ? "" : "; read back and compared");
}

}  // namespace

void setup_convert(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "A model or run folder, or a file such as model.gguf")
      ->type_name("MODEL")
      ->required();
  app.add_option("output", options->output, "The folder or file to write")
      ->type_name("OUT")
      ->required();
  app.add_option(
         "--to", options->to,
         "hf: a Hugging Face directory, one tensor for each expert; hf-packed: with experts "
         "packed, which opens without copying; mistral: params.json and "
         "consolidated.safetensors; gguf. Default: by the name of OUT, else hf")
      ->type_name("FORMAT");
  app.add_option(
         "--dtype", options->dtype,
         "Element type of the output: auto keeps each tensor's, those of fewer bits as f32; f32, "
         "bf16, f16, and for gguf q8_0, q4_0")
      ->type_name("TYPE")
      ->capture_default_str();
  app.add_option("--max-shard-size", options->max_shard_size,
                 "The largest file of a Hugging Face directory: 5GB, 500MB, 2GiB")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_flag("--force", options->force, "Replace OUT if it is there");
  app.add_flag("--no-check", options->no_check, "Do not read back and compare the weights");
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre convert Mixtral-8x7B-v0.1-native/ mixtral/\n"
               "  cadre convert OLMoE-1B-7B-0924/ olmoe-q8.gguf --dtype q8_0\n"
               "  cadre convert runs/quickstart quickstart-hf/ --dtype bf16 --max-shard-size 2GB");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
