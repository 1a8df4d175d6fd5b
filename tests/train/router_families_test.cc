// Every router on the body of every family: it trains, is saved as what it is, and loads again.
#include <doctest/doctest.h>

#include <cmath>

#include "model/hf.h"
#include "model/router_json.h"
#include "model/stored_model.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/pretrain/trainer.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModels[] = {"olmoe/plain",    "mixtral/plain",   "qwen2_moe/plain",
                                   "deepseek/plain", "arctic/parallel", "yuan/m32"};

TrainConfig config_for(const std::string& kind) {
  TrainConfig config = tiny_config();
  config.router.kind = kind;
  config.run.precision = "f32";
  config.data.sequence_length = 16;
  return config;
}

// Two rows of tokens that all of these vocabularies have.
MicroBatch some_text() {
  MicroBatch batch;
  for (int32_t i = 0; i < 32; ++i) {
    batch.tokens.push_back(3 + i * i % 30);
    batch.targets.push_back(i % 16 == 15 ? -1 : 3 + (i + 1) * (i + 1) % 30);
  }
  batch.starts = {0, 16};
  batch.num_targets = 30;
  return batch;
}

Tensor logits_of(Context& ctx, const model::Decoder& decoder) {
  const MicroBatch batch = some_text();
  const Tensor hidden =
      decoder.hidden(ctx, model::packed_input(batch.tokens, batch.starts), nullptr);
  return decoder.logits(ctx, hidden);
}

TEST_CASE("routers: each trains on the body of any family, is saved and loads again") {
  for (const char* name : kModels) {
    for (const std::string& kind : ops::router_kinds()) {
      CAPTURE(std::string(name));
      CAPTURE(kind);
      const fs::path source = fs::path("tests/golden") / name;
      const TrainConfig config = config_for(kind);
      model::ModelSpec spec = model::read_spec(source);
      apply_router(config.router, spec);
      Machine machine;
      Trainer trainer(machine.ctx, spec, config);
      trainer.load(machine.ctx, source);
      const std::vector<MicroBatch> batch = {some_text()};
      const double first = trainer.step(machine.ctx, batch, 0, 1e-2).loss;
      double loss = first;
      for (int64_t step = 1; step < 6; ++step) {
        loss = trainer.step(machine.ctx, batch, step, 1e-2).loss;
      }
      CHECK(std::isfinite(first));
      CHECK(loss < first);
      const ScratchFolder folder;
      model::save_model(machine.ctx, folder.path(), trainer.spec(), {},
                        [&](int64_t i) { return trainer.optimizer().master(i); });
      const auto loaded = model::load_model(machine.ctx, folder.path(), DType::f32);
      CHECK(loaded.decoder->spec().blocks == trainer.spec().blocks);
      const Tensor expected = logits_of(machine.ctx, *trainer.decoder());
      const Tensor found = logits_of(machine.ctx, *loaded.decoder);
      for (int64_t i = 0; i < expected.elements(); ++i) {
        REQUIRE(found.data<float>()[i] == expected.data<float>()[i]);
      }
    }
  }
}

}  // namespace
}  // namespace cadre::train
