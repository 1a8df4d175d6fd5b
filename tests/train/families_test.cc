// Every family trains from scratch and is saved under its own architecture.
#include <doctest/doctest.h>

#include <cstring>

#include "core/base/error.h"
#include "model/cost.h"
#include "model/families/family.h"
#include "model/hf.h"
#include "model/stored_model.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/pretrain/trainer.h"

namespace cadre::train {
namespace {

TrainConfig family_config(std::string_view family) {
  TrainConfig config = tiny_config();
  config.model.family = family;
  config.model.num_layers = 3;
  config.model.num_heads = 4;
  config.model.num_kv_heads = family == "yuan" ? 0 : 2;
  config.model.intermediate_size = 48;
  config.run.precision = "f32";
  return config;
}

Tensor logits(Context& ctx, const model::Decoder& decoder, const MicroBatch& batch) {
  const Tensor hidden =
      decoder.hidden(ctx, model::packed_input(batch.tokens, batch.starts), nullptr);
  return decoder.logits(ctx, hidden);
}

std::string refusal(const TrainConfig& config) {
  try {
    build_spec(config, kTinyVocab, -1, -1);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("families: each trains, is saved as itself, and loads with the logits it had") {
  for (const model::Family* family : model::families()) {
    CAPTURE(family->model_type);
    const TrainConfig config = family_config(family->model_type);
    const RuleText text(config);
    Machine machine;
    Trainer trainer(machine.ctx, build_spec(config, kTinyVocab, 2, 1), config);
    trainer.initialise(machine.ctx);
    CHECK(trainer.spec().architecture == family->architecture);
    double first = 0.0;
    double last = 0.0;
    for (int64_t step = 0; step < 60; ++step) {
      const std::vector<MicroBatch> batch = {text.training_batch(step)};
      last = trainer.step(machine.ctx, batch, step, 1e-2).loss;
      if (step == 0) first = last;
    }
    CHECK(last < 0.8 * first);

    ScratchFolder folder;
    model::save_model(machine.ctx, folder.path(), trainer.spec(), {.dtype = DType::f32},
                      [&](int64_t p) { return trainer.parameters()->tensor(p); });
    const model::LoadedModel loaded = model::load_model(machine.ctx, folder.path(), DType::f32);
    CHECK(loaded.decoder->spec().architecture == family->architecture);
    const MicroBatch batch = text.validation_batch(0, 0);
    const Tensor before = logits(machine.ctx, *trainer.decoder(), batch);
    const Tensor after = logits(machine.ctx, *loaded.decoder, batch);
    CHECK(std::memcmp(before.raw(), after.raw(), static_cast<size_t>(before.bytes())) == 0);
  }
}

TEST_CASE("families: with one expert for each token too, what is saved is what was built") {
  for (const model::Family* family : model::families()) {
    CAPTURE(family->model_type);
    TrainConfig config = family_config(family->model_type);
    config.model.top_k = 1;
    CHECK(refusal(config) == "accepted");
  }
}

TEST_CASE("families: recomputing blocks changes no bit of what is learnt") {
  for (const model::Family* family : model::families()) {
    CAPTURE(family->model_type);
    std::vector<float> expected;
    for (const bool recompute : {false, true}) {
      TrainConfig config = family_config(family->model_type);
      config.run.recompute = recompute;
      const RuleText text(config);
      Machine machine(recompute ? 3 : 1);
      Trainer trainer(machine.ctx, build_spec(config, kTinyVocab, -1, -1), config);
      trainer.initialise(machine.ctx);
      std::vector<float> losses;
      for (int64_t step = 0; step < 4; ++step) {
        const std::vector<MicroBatch> batch = {text.training_batch(step)};
        losses.push_back(static_cast<float>(trainer.step(machine.ctx, batch, step, 1e-2).loss));
      }
      if (expected.empty()) expected = losses;
      CHECK(losses == expected);
    }
  }
}

TEST_CASE("families: what has no field is as published, in proportion") {
  TrainConfig config = family_config("deepseek");
  config.model.expert_size = 10;
  const model::ModelSpec deepseek = build_spec(config, kTinyVocab, -1, -1);
  CHECK(std::holds_alternative<model::MlpSpec>(deepseek.blocks[0].feed_forward));
  const auto& moe = std::get<model::MoeSpec>(deepseek.blocks[1].feed_forward);
  CHECK(moe.shared.intermediate_size == 20);
  config.model.family = "qwen2_moe";
  config.model.shared_size = 7;
  const model::ModelSpec qwen = build_spec(config, kTinyVocab, -1, -1);
  CHECK(std::get<model::MoeSpec>(qwen.blocks[0].feed_forward).shared.intermediate_size == 7);
  CHECK(qwen.blocks[0].attention.qkv_bias);
  config.model.family = "mixtral";
  config.model.shared_size = 0;
  config.model.window = 9;
  const model::ModelSpec mixtral = build_spec(config, kTinyVocab, -1, -1);
  CHECK(std::get<model::MoeSpec>(mixtral.blocks[0].feed_forward).router.renormalise);
  CHECK(mixtral.blocks[0].attention.window == 9);
}

TEST_CASE("families: Arctic's residual MLP and Yuan's heads and filters follow the hidden size") {
  const model::ModelSpec arctic = build_spec(family_config("arctic"), kTinyVocab, -1, -1);
  CHECK(arctic.blocks[2].residual_mlp->intermediate_size == arctic.hidden_size);
  const model::ModelSpec yuan = build_spec(family_config("yuan"), kTinyVocab, -1, -1);
  const model::AttentionSpec& attention = yuan.blocks[2].attention;
  CHECK(attention.head_dim * attention.num_heads == 2 * yuan.hidden_size);
  CHECK(attention.rotary_dim() * attention.num_heads == yuan.hidden_size);
  CHECK(attention.filter->inner_size == yuan.hidden_size / 2);
  CHECK(std::get<model::MoeSpec>(yuan.blocks[2].feed_forward).router.kind ==
        model::RouterKind::attention);
}

TEST_CASE("families: what a family's configuration cannot say is refused before training") {
  TrainConfig config = family_config("olmo2");
  config.model.qk_norm = false;
  CHECK(mentions(refusal(config), "qk_norm"));
  config = family_config("llama");
  config.model.window = 8;
  CHECK(mentions(refusal(config), "window"));
  config = family_config("mixtral");
  config.model.clip_qkv = 8;
  CHECK(mentions(refusal(config), "clip_qkv"));
  config.model.clip_qkv = 0;
  config.model.shared_size = 8;
  CHECK(mentions(refusal(config), "shared_size"));
  config = family_config("olmo");
  config.model.rms_norm_eps = 1e-3;
  CHECK(mentions(refusal(config), "rms_norm_eps"));
  config = family_config("deepseek");
  config.model.shared_size = config.model.expert_size + 1;  // no whole number of experts
  CHECK(mentions(refusal(config), "deepseek"));
  config = family_config("yuan");
  config.model.num_kv_heads = 2;
  CHECK(mentions(refusal(config), "not grouped"));
  config = family_config("gpt2");
  CHECK(mentions(refusal(config), "mixtral"));
}

}  // namespace
}  // namespace cadre::train
