// cadre train: a configuration and a dataset become a model.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/model_input.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "cli/train_console.h"
#include "cli/train_job.h"
#include "core/base/error.h"
#include "core/io/fields_io.h"
#include "core/io/json_value.h"
#include "core/io/toml.h"
#include "train/pretrain/resume.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string config_file;
  std::string resume;
  bool json = false;
  bool show_config = false;
  TrainJob job;
  RuntimeOptions runtime;
};

io::JsonValue as_json(const train::RunResult& result) {
  io::JsonValue json = io::JsonValue::object();
  json.set("folder", result.folder.string())
      .set("checkpoint", result.checkpoint.string())
      .set("step", result.step)
      .set("total_steps", result.total_steps)
      .set("tokens", result.tokens)
      .set("loss", result.loss)
      .set("seconds", result.seconds)
      .set("skipped_steps", result.skipped_steps)
      .set("stop_signal", static_cast<int64_t>(result.stop_signal));
  if (result.validation) {
    json.set("held_out_loss", result.validation->total.loss)
        .set("held_out_bits_per_byte", result.validation->total.bits_per_byte);
  }
  return json;
}

// What a stored model decides must not be asked for beside it.
void expect_stored_shape(const train::ModelConfig& config) {
  train::ModelConfig asked = config;
  train::ModelConfig defaults;
  defaults.init_from = config.init_from;
  const std::vector<io::Field> fields = io::list_fields(asked, "model");
  const std::vector<io::Field> as_is = io::list_fields(defaults, "model");
  for (size_t i = 0; i < fields.size(); ++i) {
    const io::ConfigValue value = io::field_value(fields[i]);
    if (value == io::field_value(as_is[i])) continue;
    fail(ErrorKind::invalid_input,
         "{} = {} beside model.init_from: the stored model has its own; leave it out",
         fields[i].name, io::toml_text(value));
  }
}

void run(Options& options) {
  if (options.show_config) {
    print_text(io::fields_to_toml(io::list_fields(options.job.config)));
    return;
  }
  train::TrainConfig& config = options.job.config;
  if (options.job.resume && config.run.folder != options.resume) {
    fail(ErrorKind::invalid_input, "--folder {} with --resume {}: a run goes on in its own folder",
         config.run.folder, options.resume);
  }
  // A run that was to take some minutes takes the steps that are asked for now.
  if (options.job.resume && config.run.minutes > 0.0) {
    const train::RunConfig before =
        train::read_config(fs::path(options.resume) / "config.toml").run;
    const bool other_steps = config.run.steps != before.steps;
    if (other_steps && config.run.minutes == before.minutes) config.run.minutes = 0.0;
  }
  // A run folder stands for its latest checkpoint, as everywhere.
  if (!options.job.resume && !config.model.init_from.empty()) {
    config.model.init_from = find_model(config.model.init_from).string();
    expect_stored_shape(config.model);
  }
  Runtime runtime(options.runtime);
  TrainConsole console;
  const train::RunResult result = run_train_job(runtime, options.job, console);
  if (options.json) {
    print("{}\n", as_json(result).dump());
  } else {
    print_result(result);
  }
  flush_output();
  if (result.stop_signal != 0) throw Interrupted{result.stop_signal};
}

// A file sets what it names; flags, whose callbacks run later, go over it.
void add_sources_of_settings(CLI::App& app, const std::shared_ptr<Options>& options) {
  app.add_option_function<std::string>(
         "config",
         [options](const std::string& file) {
           if (!fs::exists(file)) {
             fail(ErrorKind::not_found,
                  "{}: no such configuration file. If it is the value of an option, that option's "
                  "name is not known: see cadre train --help",
                  file);
           }
           options->job.config = train::read_config(file);
         },
         "A TOML file with the settings below, in their sections")
      ->type_name("FILE");
  app.add_option_function<std::string>(
         "--resume",
         [options](const std::string& folder) {
           options->job.config = train::read_config(fs::path(folder) / "config.toml");
           // The folder may have been moved since.
           options->job.config.run.folder = folder;
           options->resume = folder;
           options->job.resume = true;
         },
         "Go on with the run in this folder, from its last checkpoint")
      ->type_name("FOLDER");
}

// Each section of the file under a heading of its own.
void add_config_flags(CLI::App& app, train::TrainConfig& config) {
  std::vector<io::Field> section;
  std::string name;
  const auto flush = [&] {
    // Names of [router] such as kind or top_k say little alone, or are others' too.
    const std::string flag_prefix = name == "router" ? name : "";
    if (!section.empty()) add_field_flags(app, section, "[" + name + "]", flag_prefix);
    section.clear();
  };
  for (const io::Field& field : io::list_fields(config)) {
    const std::string prefix = field.name.substr(0, field.name.find('.'));
    if (prefix != name) flush();
    name = prefix;
    section.push_back(field);
  }
  flush();
}

}  // namespace

void setup_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_sources_of_settings(app, options);
  add_config_flags(app, options->job.config);
  app.add_option("--sample-prompt", options->job.prompts,
                 "A text that samples go on from; may come many times")
      ->type_name("TEXT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--show-config", options->show_config,
               "Print all settings as TOML and train nothing");
  add_fields(app, options->runtime, "Machine");
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre train --dataset data/texts --folder runs/first --steps 2000\n"
               "  cadre train run.toml --learning-rate 3e-4\n"
               "  cadre train run.toml --router-kind switch --router-capacity-factor 1.0\n"
               "  cadre train --resume runs/first");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
