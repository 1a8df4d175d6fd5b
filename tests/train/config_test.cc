#include <doctest/doctest.h>

#include <cstdint>
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
  now.data.dataset = "moved";  // guarded by the fingerprint
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
  CHECK(message_of([&] { check_disk(disk, 0, "runs/x", 1 << 30); }).find("runs/x") !=
        std::string::npos);
}

TEST_CASE("plan: what a run has on the disk it need not find room for again") {
  const DiskPlan plan = {.checkpoint = 1000, .num_checkpoints = 3, .logs = 50};
  const auto refused = [&](int64_t present, int64_t free) {
    return message_of([&] { check_disk(plan, present, "runs/x", free); }) != "";
  };
  CHECK_FALSE(refused(0, 3050));
  CHECK(refused(0, 3049));
  CHECK_FALSE(refused(2030, 1020));
  CHECK(refused(2030, 1019));
  // Whatever is there: the next checkpoint is written before an old one goes.
  CHECK_FALSE(refused(9000, 1000));
  CHECK(refused(9000, 999));
}

TEST_CASE("plan: checkpoints that stay are those that are written at all") {
  TrainConfig config = tiny_config();
  const model::ModelSpec spec = build_spec(config, kTinyVocab, -1, -1);
  config.run.keep_last = 2;
  const auto checkpoints = [&](int64_t every, int64_t keep_every, int64_t total) {
    config.run.checkpoint_every = every;
    config.run.keep_every = keep_every;
    return plan_disk(spec, config, total).num_checkpoints;
  };
  CHECK(checkpoints(100, 0, 1000) == 3);
  CHECK(checkpoints(100, 100, 1000) == 3 + 10);
  CHECK(checkpoints(100, 10, 1000) == 3 + 10);
  CHECK(checkpoints(300, 200, 1000) == 3 + 1);  // at 600
  CHECK(checkpoints(0, 250, 1000) == 3 + 2);    // at 500 and 1000
  CHECK(checkpoints(-1, 10, 1000) == 2);        // at the end
  CHECK(checkpoints(2000, 0, 1000) == 2);
  CHECK(checkpoints(1 << 30, (1 << 30) - 1, 1'000'000'000'000) == 3);
  config.run.log_every = 1;
  CHECK(plan_disk(spec, config, INT64_MAX / 4).required() == INT64_MAX);
}

TEST_CASE("plan: a run of open length has as many checkpoints as it may keep") {
  TrainConfig config = tiny_config();
  const model::ModelSpec spec = build_spec(config, kTinyVocab, -1, -1);
  config.run.keep_last = 5;
  for (const int64_t every : {0, 3}) {
    config.run.checkpoint_every = every;
    CHECK(plan_disk(spec, config, 0).num_checkpoints == 6);
  }
  config.run.checkpoint_every = -1;
  CHECK(plan_disk(spec, config, 0).num_checkpoints == 2);
}

std::string auto_loss(const TrainConfig& config) {
  return load_balancing_of(config, build_spec(config, kTinyVocab, -1, -1));
}

TEST_CASE("config: the loss that auto takes follows the router, then the family") {
  TrainConfig config = tiny_config();
  CHECK(auto_loss(config) == "megablocks");
  config.model.qk_norm = false;  // written as a Mixtral, but no Mixtral
  CHECK(auto_loss(config) == "megablocks");
  const std::pair<const char*, const char*> families[] = {
      {"mixtral", "transformers"}, {"qwen2_moe", "transformers"},
      {"arctic", "arctic"},        {"yuan", "none"},
      {"deepseek", "megablocks"},  {"olmoe", "megablocks"}};
  for (const auto& [family, loss] : families) {
    CAPTURE(std::string(family));
    config = tiny_config();
    config.model.num_layers = 3;
    config.model.family = family;
    CHECK(auto_loss(config) == loss);
    config.loss.load_balancing = "switch";
    CHECK(auto_loss(config) == "switch");
  }
  const std::pair<const char*, const char*> kinds[] = {
      {"top_k", "megablocks"}, {"noisy_top_k", "none"},          {"gshard", "gshard"},
      {"switch", "switch"},    {"deepspeed_top_1", "deepspeed"}, {"deepspeed_top_2", "deepspeed"},
      {"st_moe", "deepspeed"}, {"megablocks", "megablocks"},     {"expert_choice", "none"},
      {"attention", "none"},   {"deepseek_v3", "none"}};
  REQUIRE(std::size(kinds) == ops::router_kinds().size());
  for (const auto& [kind, loss] : kinds) {
    CAPTURE(std::string(kind));
    config = tiny_config();
    config.model.family = "arctic";
    config.router.kind = kind;
    CHECK(auto_loss(config) == loss);
    // The same router brought by a checkpoint, whose kind no setting names.
    const model::ModelSpec stored = build_spec(config, kTinyVocab, -1, -1);
    config.router.kind = "default";
    config.model.init_from = "stored";
    const bool plain = std::string(kind) == "top_k" || std::string(kind) == "megablocks";
    CHECK(load_balancing_of(config, stored) == (plain ? "arctic" : loss));
  }
  // Settings over the kind count too.
  config = tiny_config();
  config.router.kind = "top_k";
  config.router.noise = "gaussian";
  CHECK(auto_loss(config) == "none");
}

}  // namespace
}  // namespace cadre::train
