// Routers that published configurations cannot express, in config.json.
#include "model/router_json.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/ops/router_kinds.h"
#include "model/hf.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;

model::ModelSpec spec_with(const model::RouterSpec& router) {
  model::ModelSpec spec = tiny_spec(8, 2);
  for (model::BlockSpec& block : spec.blocks) {
    std::get<model::MoeSpec>(block.feed_forward).router = router;
  }
  return spec;
}

std::string architecture_in(const fs::path& folder) {
  return io::JsonView::read_file(folder / "config.json").string_list("architectures").front();
}

Tensor logits_of(Machine& machine, const model::Decoder& decoder) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back(i * 7 % 61);
  const std::vector<int64_t> starts = {0, 25};
  return decoder.logits(
      machine.ctx,
      decoder.hidden(machine.ctx, model::packed_input(std::move(tokens), starts), nullptr));
}

}  // namespace

TEST_CASE("router json: every kind is saved and loads as the same model") {
  for (const std::string& kind : ops::router_kinds()) {
    CAPTURE(kind);
    Machine machine;
    const ScratchFolder folder;
    const model::ModelSpec spec = spec_with(ops::router_of_kind(kind, 8, 2));
    const auto parameters = random_parameters(machine.ctx, spec, DType::f32, 5);
    if (kind == "deepseek_v3") {
      const Tensor& bias = parameters->tensor("blocks.0.router_bias");
      for (int64_t e = 0; e < 8; ++e) bias.data<float>()[e] = 0.1f * static_cast<float>(e % 3);
    }
    model::save_model(machine.ctx, folder.path(), spec, {},
                      [&](int64_t i) { return parameters->tensor(i); });
    const model::LoadedModel loaded = model::load_model(machine.ctx, folder.path(), DType::f32);
    CHECK(loaded.decoder->spec().blocks == spec.blocks);
    const Tensor before = logits_of(machine, model::Decoder(spec, parameters));
    const Tensor after = logits_of(machine, *loaded.decoder);
    for (int64_t i = 0; i < before.elements(); ++i) {
      REQUIRE(before.data<float>()[i] == after.data<float>()[i]);
    }
  }
}

TEST_CASE("router json: the published name stands only where others compute the same") {
  const auto saved_as = [](const model::RouterSpec& router) {
    const ScratchFolder folder;
    model::write_config_files(folder.path(), spec_with(router), DType::f32);
    return architecture_in(folder.path());
  };
  for (const char* kind : {"top_k", "noisy_top_k", "gshard", "switch", "deepspeed_top_1",
                           "deepspeed_top_2", "megablocks"}) {
    CAPTURE(kind);
    CHECK(saved_as(ops::router_of_kind(kind, 8, 2)) == "OlmoeForCausalLM");
  }
  for (const char* kind : {"st_moe", "expert_choice", "attention", "deepseek_v3"}) {
    CAPTURE(kind);
    CHECK(saved_as(ops::router_of_kind(kind, 8, 2)) == "CadreForCausalLM");
  }
  model::RouterSpec drops = ops::router_of_kind("switch", 8, 1);
  drops.capacity.eval_factor = 2.0;
  CHECK(saved_as(drops) == "CadreForCausalLM");
}

TEST_CASE("router json: a plain router leaves no trace") {
  const ScratchFolder folder;
  model::write_config_files(folder.path(), tiny_spec(), DType::f32);
  CHECK_FALSE(io::JsonView::read_file(folder / "config.json").has(model::kRouterKey));
}

TEST_CASE("router json: what is unknown or out of range names file and key") {
  const ScratchFolder folder;
  model::write_config_files(folder.path(), spec_with(ops::router_of_kind("gshard", 8, 2)),
                            DType::f32);
  const std::string good = read_text_file(folder / "config.json");
  const auto refused = [&](const std::string& from, const std::string& to,
                           const std::string& message) {
    std::string text = good;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write_file_atomically(folder / "config.json", text.replace(at, from.size(), to));
    try {
      model::read_spec(folder.path());
      FAIL("was not refused: " << message);
    } catch (const Error& error) {
      const std::string what = error.what();
      CAPTURE(what);
      CHECK(what.find(message) != std::string::npos);
      CHECK(what.find("config.json") != std::string::npos);
    }
  };
  refused("\"random\"", "\"randon\"", "did you mean \"random\"");
  refused("\"by_token\"", "\"by_tokens\"", "by_token");
  refused("\"second_threshold\": 0.5", "\"second_threshold\": 5", "second_threshold");
}

}  // namespace cadre
