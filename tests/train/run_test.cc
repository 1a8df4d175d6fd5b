#include "train/pretrain/run.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/json.h"
#include "core/io/safetensors_set.h"
#include "model/hf.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/run_folder.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kLearning = {"train", "validation", "routers"};

// Changes one byte in the middle of a file.
void flip_byte(const fs::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(fs::file_size(file) / 2);
  stream.seekg(middle);
  const char byte = static_cast<char>(stream.get() ^ 0x10);
  stream.seekp(middle);
  stream.put(byte);
}

std::string damage_after(const fs::path& checkpoint, const std::function<void()>& change) {
  change();
  return find_damage(checkpoint).value_or("");
}

TEST_CASE("run: stopped by a signal and resumed, it equals the uninterrupted one bit for bit") {
  for (const char* dtype : {"f32", "bf16"}) {
    ScratchFolder folder;
    TrainConfig config = tiny_config();
    config.run.checkpoint_dtype = dtype;
    config.run.folder = folder / "whole";
    const RunResult whole = run_tiny(config);
    CHECK(whole.step == 20);
    CHECK(whole.stop_signal == 0);

    config.run.folder = folder / "parts";
    std::atomic<int> signal = 0;
    // Raises the signal after some step, as Ctrl-C would.
    struct Stopper : TrainObserver {
      std::atomic<int>& signal;
      int64_t at;
      Stopper(std::atomic<int>& s, int64_t step) : signal(s), at(step) {}
      void on_step(const StepReport& report) override {
        if (report.step == at) signal = 2;
      }
    };
    for (const int64_t at : {3, 13, 1000}) {
      signal = 0;
      Stopper stopper(signal, at);
      Machine machine(at == 13 ? 1 : 3);
      const RuleText text(config);
      RunEnvironment environment;
      environment.data = &text;
      environment.vocab_size = kTinyVocab;
      environment.resume = true;  // of a run that has not begun: begin it
      environment.stop_signal = &signal;
      const RunResult part = train(machine.ctx, config, environment, stopper);
      CHECK(part.step == std::min<int64_t>(at, 20));
      CHECK(part.stop_signal == (at < 20 ? 2 : 0));
    }
    CHECK(fingerprint(folder / "parts/latest") == fingerprint(folder / "whole/latest"));
    CHECK(metrics(folder / "parts", kLearning) == metrics(folder / "whole", kLearning));
    CHECK(fs::exists(folder / "parts/report.html"));
  }
}

// The held-out loss of a checkpoint that is loaded as a model.
double loss_of_model(const fs::path& checkpoint, const TrainConfig& config) {
  Machine machine;
  const model::LoadedModel loaded = model::load_model(machine.ctx, checkpoint, DType::bf16);
  const RuleText text(config);
  double sum = 0.0;
  int64_t count = 0;
  for (int64_t source = 0; source < 2; ++source) {
    for (int64_t b = 0; b < text.num_validation_batches(source); ++b) {
      const MicroBatch batch = text.validation_batch(source, b);
      const Tensor hidden = loaded.decoder->hidden(
          machine.ctx, model::packed_input(batch.tokens, batch.starts), nullptr);
      const std::vector<float> weights(batch.targets.size(), 1.0f);
      for (const float loss :
           loaded.decoder->loss(machine.ctx, hidden, batch.targets, weights).token_losses) {
        sum += loss;
      }
      count += batch.num_targets;
    }
  }
  return sum / static_cast<double>(count);
}

TEST_CASE("run: a checkpoint loads as a model, with the weights that were trained") {
  ScratchFolder folder;
  // Named as what it is: other programs load the first two, and refuse the last.
  struct Kind {
    bool qk_norm, renormalise;
    const char* architecture;
  };
  for (const Kind& kind :
       {Kind{true, false, "OlmoeForCausalLM"}, Kind{false, true, "MixtralForCausalLM"},
        Kind{false, false, "CadreForCausalLM"}}) {
    CAPTURE(kind.architecture);
    TrainConfig config = tiny_config();
    config.model.qk_norm = kind.qk_norm;
    config.model.renormalise = kind.renormalise;
    config.run.folder = folder / kind.architecture;
    const RunResult result = run_tiny(config);
    CHECK(result.checkpoint == folder / kind.architecture / "checkpoints/step-00000020");
    CHECK(io::JsonView::read_file(result.checkpoint / "config.json")
              .string_list("architectures")
              .front() == kind.architecture);
    CHECK(loss_of_model(result.checkpoint, config) ==
          doctest::Approx(result.validation->total.loss));
  }
}

TEST_CASE("run: going on from a model keeps its generation_config.json") {
  ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.steps = 6;
  config.run.folder = folder / "first";
  const fs::path model = run_tiny(config).checkpoint;
  const std::string settings = "{\"eos_token_id\": [3, 5], \"temperature\": 0.6}";
  write_file_atomically(model / "generation_config.json", settings);
  config.model.init_from = model.string();
  config.run.folder = folder / "second";
  const fs::path trained = run_tiny(config).checkpoint;
  CHECK(read_text_file(trained / "generation_config.json") == settings);
  write_file_atomically(model / "generation_config.json", "[]");
  config.run.folder = folder / "third";
  CHECK_THROWS_AS(run_tiny(config), Error);
  CHECK_FALSE(fs::exists(folder / "third"));
}

TEST_CASE("run: a folder that holds a run is not overwritten") {
  ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.steps = 6;
  config.run.folder = folder / "run";
  run_tiny(config);
  CHECK_THROWS_AS(run_tiny(config), Error);
  config.optim.adamw.learning_rate = 5e-3;
  CHECK_THROWS_AS(run_tiny(config, true), Error);
}

TEST_CASE("run: two processes cannot train in one folder") {
  ScratchFolder folder;
  const RunFolder first(folder / "run");
  CHECK_THROWS_AS(RunFolder(folder / "run"), Error);
}

TEST_CASE("run: a damaged checkpoint is told, set aside, and the one before it is taken") {
  ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.keep_last = 3;
  config.run.folder = folder / "whole";
  run_tiny(config);
  config.run.folder = folder / "damaged";
  run_tiny(config);
  const fs::path newest = folder / "damaged/checkpoints/step-00000020";
  flip_byte(newest / "optimizer.safetensors");
  run_tiny(config, true);
  CHECK(fs::exists(newest.string() + ".damaged"));
  CHECK(fingerprint(newest) == fingerprint(folder / "whole/latest"));
  const auto warnings = metrics(folder / "damaged", {"warning"});
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("step-00000020 is damaged") != std::string::npos);
  CHECK(warnings[0].find("optimizer.safetensors") != std::string::npos);
  flip_byte(newest / "model.safetensors");
  flip_byte(folder / "damaged/checkpoints/step-00000010/trainer_state.json");
  try {
    run_tiny(config, true);
    FAIL("resumed from nothing");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt_data);
  }
}

TEST_CASE("checkpoint: every kind of damage is found") {
  ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.steps = 6;
  config.run.folder = folder / "run";
  const fs::path good = run_tiny(config).checkpoint;
  CHECK_FALSE(find_damage(good).has_value());
  const fs::path copy = folder / "copy";
  for (const char* name : {"config.json", "model.safetensors", "optimizer.safetensors",
                           "trainer_state.json", "checksums.json"}) {
    CAPTURE(name);
    const auto fresh = [&] {
      fs::remove_all(copy);
      fs::copy(good, copy);
    };
    fresh();
    CHECK(damage_after(copy, [&] { fs::remove(copy / name); }) != "");
    fresh();
    CHECK(damage_after(
              copy, [&] { fs::resize_file(copy / name, fs::file_size(copy / name) / 2); }) != "");
    if (std::string(name) == "checksums.json") continue;  // white space may change
    fresh();
    CHECK(damage_after(copy, [&] { flip_byte(copy / name); }).find(name) != std::string::npos);
  }
  fs::remove_all(copy);
  CHECK(find_damage(copy).has_value());
}

TEST_CASE("run: old checkpoints go, those to keep stay, leftovers are cleared") {
  ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.steps = 12;
  config.run.checkpoint_every = 2;
  config.run.keep_last = 2;
  config.run.keep_every = 4;
  config.run.folder = folder / "run";
  run_tiny(config);
  std::vector<int64_t> steps;
  {
    const RunFolder run(config.run.folder);
    for (const CheckpointEntry& entry : run.checkpoints()) steps.push_back(entry.step);
  }
  CHECK(steps == std::vector<int64_t>{4, 8, 10, 12});
  fs::create_directories(folder / "run/checkpoints/.tmp-step-00000099");
  config.run.steps = 14;
  CHECK(run_tiny(config, true).step == 14);
  CHECK_FALSE(fs::exists(folder / "run/checkpoints/.tmp-step-00000099"));
  CHECK(fs::read_symlink(folder / "run/latest") == "checkpoints/step-00000014");
}

TEST_CASE("run: measured in minutes it decides once how long it is") {
  ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.run.minutes = 0.2;
  config.run.folder = folder / "run";
  fs::create_directories(config.run.folder);
  std::ofstream(folder / "run/plan.json") << "{\"total_steps\": 7}";
  const RunResult result = run_tiny(config, true);
  CHECK(result.total_steps == 7);
  CHECK(result.step == 7);
}

TEST_CASE("run: training that diverges stops with advice, checkpoints stay") {
  ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.optim.adamw.learning_rate = 10.0;
  config.optim.adamw.max_gradient_norm = 0.0;
  config.optim.adamw.weight_decay = 10.0;
  config.optim.schedule.warmup_steps = 0;
  config.optim.max_skipped_in_a_row = 3;
  config.optim.skip_window = 4;
  config.optim.skip_sigmas = 0.1;
  config.run.steps = 400;
  config.run.checkpoint_every = 1;
  config.run.validate_every = -1;
  config.run.folder = folder / "run";
  try {
    run_tiny(config);
    FAIL("did not diverge");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("optim.learning_rate") != std::string::npos);
  }
  CHECK(fs::exists(folder / "run/latest/model.safetensors"));
}

}  // namespace
}  // namespace cadre::train
