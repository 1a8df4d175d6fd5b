// params.json, in which Mistral AI's own files say what a model is, both ways.
#pragma once

#include "core/io/json.h"
#include "core/io/json_value.h"
#include "model/spec.h"

namespace cadre::model {

// Throws the errors of JsonView, and Error(unsupported), naming the key, for keys that are not
// known and neither null nor false: they might change the model.
ModelSpec read_mistral_params(const io::JsonView& params);

// The other way. Throws Error(unsupported), naming what the format lacks, for models that are
// neither Mistral nor Mixtral, compute something else in inference than what is read back, or have
// other ids of tokens.
io::JsonValue mistral_params(const ModelSpec& spec);

}  // namespace cadre::model
