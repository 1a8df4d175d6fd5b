#include <doctest/doctest.h>

#include <fstream>

#include "core/base/error.h"
#include "core/io/fields_io.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/pretrain/plan.h"
#include "train/pretrain/resume.h"

namespace cadre::train {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("config: written as TOML and read back it is the same") {
  ScratchFolder folder;
  TrainConfig config = tiny_config();
  config.data.weights = {"prose=2", "code=1"};
  config.optim.adamw.learning_rate = 0.1 + 0.2;
  save_config(folder / "config.toml", config);
  TrainConfig copy = read_config(folder / "config.toml");
  CHECK(io::fields_to_toml(io::list_fields(copy)) == io::fields_to_toml(io::list_fields(config)));
}

TEST_CASE("config: an unknown key is an error that names file, line and the nearest key") {
  ScratchFolder folder;
  const auto file = folder / "run.toml";
  std::ofstream(file) << "[optim]\nlearning_rat = 1e-3\n";
  const std::string message = message_of([&] { read_config(file); });
  CAPTURE(message);
  CHECK(message.find("run.toml:2") != std::string::npos);
  CHECK(message.find("optim.learning_rate\"") != std::string::npos);
}

TEST_CASE("config: a value out of range names its key") {
  ScratchFolder folder;
  const auto file = folder / "run.toml";
  std::ofstream(file) << "[run]\nprecision = \"fp8\"\n";
  CHECK(message_of([&] { read_config(file); }).find("run.precision") != std::string::npos);
}

TEST_CASE("config: as many experts as a model may have, and no more") {
  TrainConfig config = tiny_config();
  config.model.num_experts = 1 << 16;
  validate(config);
  build_spec(config, kTinyVocab, -1, -1);
  ++config.model.num_experts;
  const std::string message = message_of([&] { validate(config); });
  CHECK(message.find("num_experts") != std::string::npos);
  CHECK(message.find("65536") != std::string::npos);
  CHECK_THROWS_AS(build_spec(config, kTinyVocab, -1, -1), Error);
}

TEST_CASE("config: what the bits depend on may not change on resume, lengths and logs may") {
  const TrainConfig before = tiny_config();
  TrainConfig now = before;
  now.run.steps = 99;
  now.run.keep_last = 7;
  expect_same_run(before, now, "resume");
  now.optim.adamw.beta2 = 0.99;
  CHECK(message_of([&] { expect_same_run(before, now, "resume"); }).find("optim.beta2") !=
        std::string::npos);
  now = before;
  now.run.seed = 1;
  CHECK_THROWS_AS(expect_same_run(before, now, "resume"), Error);
}

TEST_CASE("plan: refuses with the numbers") {
  TrainConfig config = tiny_config();
  config.model.num_experts = 64;
  config.model.hidden_size = 2048;
  config.model.expert_size = 1024;
  config.model.num_layers = 16;
  config.model.num_heads = 16;
  config.model.top_k = 8;
  const model::ModelSpec spec = build_spec(config, 50304, -1, -1);
  const MemoryPlan memory = plan_memory(spec, config);
  CHECK(memory.gradients == 4 * int64_t{6919161856});
  const std::string message = message_of([&] { check_memory(memory, int64_t{16} << 30); });
  CHECK(message.find("16.00 GiB") != std::string::npos);
  CHECK(message.find("optimiser") != std::string::npos);
  const DiskPlan disk = plan_disk(spec, config, 1000);
  CHECK(disk.checkpoint == 12 * int64_t{6919161856});
  CHECK(message_of([&] { check_disk(disk, "runs/x", 1 << 30); }).find("runs/x") !=
        std::string::npos);
}

}  // namespace
}  // namespace cadre::train
