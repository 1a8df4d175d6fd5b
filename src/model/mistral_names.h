// How Mistral AI's own files call their tensors.
#pragma once

#include <span>

#include "model/families/family.h"
#include "model/spec.h"

namespace cadre::model {

// The layouts of a Mistral or Mixtral model, the one that we write first. Rotary pairs are
// neighbours there, so rows of queries and keys change places.
std::span<const NameLayout> mistral_layouts(const ModelSpec& spec);

}  // namespace cadre::model
