// cadre quickstart: text that is at hand becomes a small mixture-of-experts model in minutes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/data_command.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/input.h"
#include "cli/quickstart_text.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "cli/tokenizer_command.h"
#include "cli/train_console.h"
#include "cli/train_job.h"
#include "core/base/error.h"
#include "core/io/checksum.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

constexpr double kHeldOut = 0.03;

struct Options {
  std::string data;
  std::string runs = "runs";
  double minutes = 3.0;
  int64_t vocab_size = 4096;
  int64_t seed = 6198;
  RuntimeOptions runtime;

  void visit_fields(auto&& field) {
    field("data", data, "a folder of your own text; its subfolders become domains");
    field("runs", runs, "the folder that gets the run, and a cache of tokenised text");
    field("minutes", minutes, Interval{0.05, 1e6}, "how long to train");
    field("vocab_size", vocab_size, Interval{257, 65536}, "tokens that the tokenizer learns");
    field("seed", seed, Interval{0, 9e15}, "of weights and data order");
  }
};

// Remembers what the model wrote last.
class QuickstartConsole : public TrainConsole {
 public:
  void on_samples(int64_t step, const std::vector<train::Sample>& samples) override {
    TrainConsole::on_samples(step, samples);
    samples_ = samples;
  }
  const std::vector<train::Sample>& samples() const { return samples_; }

 private:
  std::vector<train::Sample> samples_;
};

// A dataset of the same files, unchanged, and the same settings has the same key.
std::string cache_key(const std::vector<Domain>& domains, const Options& options) {
  io::Checksum checksum;
  const auto add = [&](const std::string& text) { checksum.update(text.data(), text.size() + 1); };
  add(fmt::format("3 {} {}", options.vocab_size, kHeldOut));
  for (const Domain& domain : domains) {
    add(domain.name);
    for (const data::InputFile& file : domain.files) {
      const auto written = fs::last_write_time(file.path).time_since_epoch().count();
      add(fmt::format("{} {} {}", fs::absolute(file.path).string(), file.bytes, written));
    }
  }
  return io::to_hex(checksum.value());
}

void tell_domains(const std::vector<Domain>& domains, const std::vector<std::string>& notes) {
  for (const Domain& domain : domains) {
    std::string line = fmt::format("{:<10} {:>8} in {} files", domain.name,
                                   human_bytes(static_cast<double>(domain.bytes())),
                                   grouped(std::ssize(domain.files)));
    if (domain.found_files > std::ssize(domain.files)) {
      line +=
          fmt::format(" (a sample of {})", human_bytes(static_cast<double>(domain.found_bytes)));
    }
    print("{}\n", line);
  }
  for (const std::string& note : notes) print("note: {}\n", note);
  flush_output();
}

// The dataset of these domains, from the cache or new.
fs::path prepare_data(const std::vector<Domain>& domains, const Options& options,
                      Runtime& runtime) {
  const fs::path folder = fs::path(options.runs) / "cache" / cache_key(domains, options);
  if (fs::exists(folder / data::kManifestFile)) return folder;
  std::vector<data::SourceSpec> sources;
  std::vector<std::string> inputs;
  for (const Domain& domain : domains) {
    data::SourceSpec source{.name = domain.name, .inputs = {}};
    for (const data::InputFile& file : domain.files) source.inputs.push_back(file.path);
    inputs.insert(inputs.end(), source.inputs.begin(), source.inputs.end());
    sources.push_back(std::move(source));
  }
  data::DocumentReader reader(inputs, {});
  text::BpeTrainerOptions trainer;
  trainer.vocab_size = options.vocab_size;
  const text::Tokenizer tokenizer = train_tokenizer(reader, trainer, runtime.pool());
  data::BuildOptions build;
  build.held_out = kHeldOut;
  fs::create_directories(folder.parent_path());
  build_with_progress(sources, build, tokenizer, folder, runtime.pool());
  return folder;
}

// runs/quickstart, or the first of runs/quickstart-2, -3, ... that is free.
fs::path free_run_folder(const fs::path& runs) {
  fs::path folder = runs / "quickstart";
  for (int number = 2; fs::exists(folder); ++number) {
    folder = runs / fmt::format("quickstart-{}", number);
  }
  return folder;
}

// OLMoE's architecture at a size that learns something in minutes on a few cores.
train::TrainConfig configuration(const Options& options, const fs::path& dataset) {
  train::TrainConfig config;
  config.model.hidden_size = 256;
  config.model.num_layers = 4;
  config.model.num_heads = 4;
  config.model.num_experts = 16;
  config.model.top_k = 4;
  config.model.expert_size = 192;
  config.data.dataset = dataset.string();
  config.data.sequence_length = 256;
  config.data.micro_batch = 16;
  config.data.validation_tokens = 16384;
  config.optim.adamw.learning_rate = 2e-3;
  config.optim.schedule.warmup_steps = 40;
  config.run.folder = free_run_folder(options.runs).string();
  config.run.minutes = options.minutes;
  config.run.seed = options.seed;
  config.run.checkpoint_every = -1;
  return config;
}

void print_samples(const std::vector<train::Sample>& samples) {
  print("\nWhat it writes (the prompt in brackets):\n");
  for (const train::Sample& sample : samples) {
    print("\n[{}]{}\n", sample.prompt, sample.text);
  }
}

void print_next(const train::RunResult& result, const std::vector<Domain>& domains) {
  const fs::path program = fs::proximate(fs::read_symlink("/proc/self/exe"));
  const std::string folder = result.folder.string();
  const std::string prompt = domains.front().prompt.empty() ? "Once" : domains.front().prompt;
  print("\nNext:\n");
  print("  {} generate {} --prompt '{}'\n", program.string(), folder, prompt);
  print("  {} info {}\n", program.string(), folder);
  print("  {} train --help\n", program.string());
  print("and look at {} in a browser: curves, samples, and which experts read which text.\n",
        (result.folder / "report.html").string());
}

void run(const Options& options) {
  std::vector<std::string> notes;
  const std::vector<Domain> domains =
      options.data.empty() ? machine_domains(notes) : folder_domains(options.data, notes);
  tell_domains(domains, notes);
  Runtime runtime(options.runtime);
  TrainJob job;
  job.config = configuration(options, prepare_data(domains, options, runtime));
  for (const Domain& domain : domains) {
    if (!domain.prompt.empty()) job.prompts.push_back(domain.prompt);
  }
  QuickstartConsole console;
  const train::RunResult result = run_train_job(runtime, job, console);
  if (result.stop_signal == 0) print_samples(console.samples());
  print_text("\n");
  print_result(result);
  flush_output();
  if (result.stop_signal != 0) throw Interrupted{result.stop_signal};
  print_next(result, domains);
}

}  // namespace

void setup_quickstart(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_fields(app, *options);
  add_fields(app, options->runtime, "Machine");
  add_examples(app,
               "  cadre quickstart\n"
               "  cadre quickstart --data my-texts/ --minutes 10");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
