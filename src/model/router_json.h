// Routers in config.json. No published configuration has keys for most of what a router can be, so
// they stand in one object of our own:
//
//   "cadre_router": {"family": "OlmoeForCausalLM", "num_experts": 16, "top_k": 2,
//                    "logits": "linear", "scoring": "softmax", "renormalise": "chosen", "scale": 1,
//                    "jitter": 0, "noise": "none", "choice": {...}, "capacity": {...}}
//
// with the fields of core/ops/router_spec.h. `family` is the architecture that all other keys are
// of. Where the router computes in inference what that architecture computes, `architectures` and
// `model_type` name it too, and other programs load the model; otherwise they are
// "CadreForCausalLM" and "cadre", which other programs refuse rather than compute something else.
#pragma once

#include <string>
#include <string_view>

#include "core/io/json.h"
#include "model/spec.h"

namespace cadre::model {

inline constexpr std::string_view kRouterKey = "cadre_router";
inline constexpr std::string_view kOwnArchitecture = "CadreForCausalLM";
inline constexpr std::string_view kOwnModelType = "cadre";

io::JsonValue router_to_json(const RouterSpec& spec);
// Throws Error(corrupt_data or invalid_input), naming file and key; unknown keys are errors.
RouterSpec router_from_json(const io::JsonView& json);

// The architecture that the keys of a configuration are of: `family` of the object above, or ""
// if there is none.
std::string router_family(const io::JsonView& config);
// Replaces the routers that a family read by the one of the object, if there is one.
void read_router(const io::JsonView& config, ModelSpec& spec);
// Whether two models have the same routers in inference, and a model with its routers as they are
// there (core/ops/router_spec.h).
bool same_in_inference(const ModelSpec& a, const ModelSpec& b);
ModelSpec inference_view(ModelSpec spec);
// Adds the object to a configuration that a family wrote, from which `read_back` was read, if the
// spec has other routers than that.
void write_router(const ModelSpec& spec, const ModelSpec& read_back, io::JsonValue& config);

}  // namespace cadre::model
