// Stopped runs that go on: what they need, what they refuse, and what they leave alone.
#include "train/pretrain/resume.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/checksum.h"
#include "core/io/json.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/run_folder.h"
#include "train/log/records.h"
#include "train/optim/schedule.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

// Data of another content.
class OtherText : public RuleText {
 public:
  using RuleText::RuleText;
  std::string fingerprint() const override { return "other"; }
};

// Goes on with a run, or begins it, and stops it after a step, as Ctrl-C would; -1 lets it end.
RunResult go_on(const TrainConfig& config, const BatchSource& data, int64_t stop_after = -1) {
  std::atomic<int> signal = stop_after == 0 ? 2 : 0;
  struct Stopper : TrainObserver {
    std::atomic<int>& signal;
    int64_t at;
    Stopper(std::atomic<int>& s, int64_t step) : signal(s), at(step) {}
    void on_step(const StepReport& report) override {
      if (report.step == at) signal = 2;
    }
  };
  Stopper stopper(signal, stop_after);
  Machine machine;
  RunEnvironment environment;
  environment.data = &data;
  environment.vocab_size = kTinyVocab;
  environment.resume = true;
  environment.stop_signal = &signal;
  return train(machine.ctx, config, environment, stopper);
}

RunResult go_on(const TrainConfig& config, int64_t stop_after = -1) {
  return go_on(config, RuleText(config), stop_after);
}

struct Refusal {
  ErrorKind kind = ErrorKind::internal;
  std::string message = "not refused";
};

Refusal refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {};
}

// Half of the file is lost.
void damage(const fs::path& checkpoint) {
  const fs::path file = checkpoint / "optimizer.safetensors";
  fs::resize_file(file, fs::file_size(file) / 2);
}

// Replaces a file of a checkpoint that stays whole.
void rewrite(const fs::path& checkpoint, const std::string& name, const std::string& text) {
  write_file_atomically(checkpoint / name, text);
  const fs::path manifest = checkpoint / "checksums.json";
  io::JsonValue json = io::parse_json(read_text_file(manifest), manifest.string());
  io::JsonValue files = *json.find("files");
  io::JsonValue entry = io::JsonValue::object();
  entry.set("bytes", text.size())
      .set("xxh3", io::to_hex(io::checksum(MappedFile::open(checkpoint / name)->bytes())));
  files.set(name, std::move(entry));
  json.set("files", std::move(files));
  write_file_atomically(manifest, json.pretty());
  REQUIRE_FALSE(find_damage(checkpoint).has_value());
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST_CASE("resume: without a whole checkpoint nothing is begun, however often one tries") {
  const ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.folder = folder / "run";
  run_tiny(config);
  const fs::path checkpoints = folder / "run/checkpoints";
  for (const char* name : {"step-00000010", "step-00000020"}) damage(checkpoints / name);
  const std::vector<std::string> names = names_in(checkpoints);
  const std::string log = read_text_file(folder / "run/metrics.jsonl");
  const auto expect_refusals = [&] {
    for (int attempt = 0; attempt < 3; ++attempt) {
      const Refusal refusal = refusal_of([&] { run_tiny(config, true); });
      CAPTURE(refusal.message);
      CHECK(refusal.kind == ErrorKind::corrupt_data);
      CHECK(refusal.message.find("step-000000") != std::string::npos);
      CHECK(read_text_file(folder / "run/metrics.jsonl") == log);
    }
  };
  expect_refusals();
  CHECK(names_in(checkpoints) == names);
  // Set aside, by an earlier version or because better ones were removed since.
  for (const std::string& name : names) {
    fs::rename(checkpoints / name, checkpoints / (name + ".damaged"));
  }
  expect_refusals();
  fs::remove(folder / "run/config.toml");
  expect_refusals();
  CHECK(refusal_of([&] { run_tiny(config); }).message.find("holds a run") != std::string::npos);
}

TEST_CASE("resume: latest points to the checkpoint that the run goes on from") {
  const ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.folder = folder / "run";
  run_tiny(config);
  damage(folder / "run/checkpoints/step-00000020");
  CHECK(go_on(config, 0).step == 10);
  CHECK(fs::exists(folder / "run/latest/model.safetensors"));
  CHECK(fs::read_symlink(folder / "run/latest").filename() == "step-00000010");
}

TEST_CASE("resume: a run that went on from a model does not need it any more") {
  const ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.folder = folder / "first";
  config.run.steps = 6;
  const fs::path source = folder / "source";
  fs::copy(run_tiny(config).checkpoint, source);
  const std::string settings = "{\"eos_token_id\": [3, 5], \"temperature\": 0.6}";
  write_file_atomically(source / "generation_config.json", settings);

  // A router whose capacity and jitter only training knows.
  config.model.init_from = source.string();
  config.router.kind = "switch";
  config.run.steps = 20;
  config.run.folder = folder / "whole";
  run_tiny(config);
  config.run.folder = folder / "parts";
  go_on(config, 7);
  fs::remove_all(source);
  go_on(config);
  CHECK(fingerprint(folder / "parts/latest") == fingerprint(folder / "whole/latest"));
  CHECK(read_text_file(folder / "parts/latest/config.json") ==
        read_text_file(folder / "whole/latest/config.json"));
  CHECK(read_text_file(folder / "parts/latest/generation_config.json") == settings);
}

TEST_CASE("resume: data may move but not change, and a refused run keeps its settings") {
  const ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.folder = folder / "whole";
  run_tiny(config);
  config.run.folder = folder / "run";
  go_on(config, 7);
  const fs::path settings = folder / "run/config.toml";

  TrainConfig other = config;
  other.data.dataset = "elsewhere";
  other.run.steps = 33;
  const Refusal refusal = refusal_of([&] { go_on(other, OtherText(other)); });
  CHECK(refusal.kind == ErrorKind::invalid_input);
  CHECK(refusal.message.find("elsewhere is not the data") != std::string::npos);
  CHECK(read_config(settings).run.steps == 20);
  CHECK(read_config(settings).data.dataset == "rule");

  config.data.dataset = "elsewhere";
  go_on(config);
  CHECK(read_config(settings).data.dataset == "elsewhere");
  CHECK(fingerprint(folder / "run/latest") == fingerprint(folder / "whole/latest"));
}

TEST_CASE("run: one that cannot begin leaves no folder") {
  const ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.folder = folder / "run";
  config.loss.importance_weight = 0.1;  // of a router that has no such loss
  CHECK_THROWS_AS(run_tiny(config), Error);
  config = tiny_config();
  config.run.folder = folder / "run";
  config.model.init_from = folder / "absent";
  CHECK_THROWS_AS(run_tiny(config, true), Error);
  CHECK(fs::is_empty(folder.path()));
}

std::vector<double> learning_rates(const fs::path& run) {
  std::vector<double> rates;
  for (const std::string& line : metrics(run, {"train"})) {
    rates.push_back(number_of(io::parse_json(line, "metrics.jsonl"), "learning_rate"));
  }
  return rates;
}

TEST_CASE("resume: steps from before the end was decided are taken again as they were taken then") {
  const ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.minutes = 1000.0;
  config.run.folder = folder / "whole";
  const std::string plan = "{\"total_steps\": 20, \"step\": 8}";
  fs::create_directories(config.run.folder);
  write_file_atomically(folder / "whole/plan.json", plan);
  CHECK(go_on(config).step == 20);
  const std::vector<double> rates = learning_rates(config.run.folder);
  REQUIRE(rates.size() == 20);
  const double peak = config.optim.adamw.learning_rate;
  const Schedule undecided(config.optim.schedule, peak, int64_t{1} << 40);
  const Schedule decided(config.optim.schedule, peak, 20);
  REQUIRE(undecided.at(7) > 1.01 * decided.at(7));
  for (int64_t step = 0; step < 20; ++step) {
    CAPTURE(step);
    const double expected = (step < 8 ? undecided : decided).at(step);
    CHECK(rates[static_cast<size_t>(step)] == doctest::Approx(expected).epsilon(1e-12));
  }

  // Its process had not decided yet when it took the checkpoint, and was killed after it had.
  config.run.folder = folder / "parts";
  CHECK(go_on(config, 6).step == 6);
  write_file_atomically(folder / "parts/plan.json", plan);
  CHECK(go_on(config).step == 20);
  CHECK(fingerprint(folder / "parts/latest") == fingerprint(folder / "whole/latest"));
  const std::vector<std::string> told = {"train", "validation", "plan"};
  CHECK(metrics(folder / "parts", told) == metrics(folder / "whole", told));
}

TEST_CASE("resume: a run whose new length would have had other rates says so") {
  const ScratchFolder folder;
  for (const char* schedule : {"cosine", "constant"}) {
    CAPTURE(std::string(schedule));
    TrainConfig config = tiny_config();
    config.optim.schedule.schedule = schedule;
    config.run.folder = folder / schedule;
    go_on(config, 12);
    go_on(config, 14);
    CHECK(metrics(config.run.folder, {"warning"}).empty());
    config.run.steps = 30;
    CHECK(go_on(config).step == 30);
    const std::vector<std::string> warnings = metrics(config.run.folder, {"warning"});
    if (std::string(schedule) == "constant") {
      CHECK(warnings.empty());
    } else {
      REQUIRE(warnings.size() == 1);
      CHECK(warnings[0].find("was to take 20 steps and now takes 30") != std::string::npos);
    }
  }
}

TEST_CASE("resume: a run keeps the loss that auto stood for when it began") {
  const ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.model.family = "mixtral";
  config.run.folder = folder / "run";
  const fs::path checkpoint = go_on(config, 5).checkpoint;
  CHECK(read_run_state(checkpoint).load_balancing == "transformers");
  CHECK(read_run_state(go_on(config, 6).checkpoint).load_balancing == "transformers");
  CHECK(metrics(folder / "run", {"warning"}).empty());

  // A checkpoint of before the name was written, when only router.kind decided.
  const fs::path newest = folder / "run/checkpoints/step-00000006";
  io::JsonValue state = io::parse_json(read_text_file(newest / "trainer_state.json"), "state");
  state.set("load_balancing", io::JsonValue());
  rewrite(newest, "trainer_state.json", state.dump());
  CHECK(read_run_state(go_on(config, 8).checkpoint).load_balancing == "megablocks");
  CHECK(read_run_state(go_on(config, 9).checkpoint).load_balancing == "megablocks");
  CHECK(metrics(folder / "run", {"warning"}).size() == 2);
}

}  // namespace
}  // namespace cadre::train
