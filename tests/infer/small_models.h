// Small random models of the four families, for tests of what must hold for any.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/model/tiny_model.h"

namespace cadre {

struct NamedSpec {
  std::string name;
  model::ModelSpec spec;
};

// Contexts of 1024 positions and vocabularies of 61 tokens.
inline std::vector<NamedSpec> small_models() {
  model::ModelSpec olmoe = tiny_spec();
  olmoe.max_positions = 1024;

  model::ModelSpec mixtral = olmoe;
  for (model::BlockSpec& block : mixtral.blocks) {
    block.attention.qk_norm = model::QkNorm::none;
    std::get<model::MoeSpec>(block.feed_forward).router.renormalise = true;
  }
  mixtral.blocks[0].attention.window = 140;
  mixtral.blocks[1].attention.window = 30;

  model::ModelSpec arctic = olmoe;
  for (model::BlockSpec& block : arctic.blocks) {
    block.attention.qk_norm = model::QkNorm::none;
    block.residual_mlp = model::MlpSpec{.intermediate_size = 20};
  }

  model::ModelSpec yuan = olmoe;
  for (model::BlockSpec& block : yuan.blocks) {
    block.attention.qk_norm = model::QkNorm::none;
    block.attention.filter = model::LocalFilterSpec{.inner_size = 12};
    std::get<model::MoeSpec>(block.feed_forward).router.kind = model::RouterKind::attention;
  }
  return {{"OLMoE", olmoe}, {"Mixtral", mixtral}, {"Arctic", arctic}, {"Yuan", yuan}};
}

}  // namespace cadre
