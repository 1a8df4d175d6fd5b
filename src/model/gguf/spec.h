// The metadata of a GGUF file as a ModelSpec, and the other way round.
#pragma once

#include <string_view>

#include "core/io/gguf.h"
#include "core/io/gguf_writer.h"
#include "model/spec.h"

namespace cadre::model::gguf {

// What `general.architecture` calls models of this spec. Throws Error(unsupported) if no
// architecture of ours fits.
std::string_view architecture_of(const ModelSpec& spec);

// Reads the keys of the architecture. A model without output.weight has tied embeddings, one with
// attn_q.bias has biases: GGUF has no keys for them. "llama" is MixtralForCausalLM with experts,
// MistralForCausalLM with a sliding window, else LlamaForCausalLM. What GGUF does not say (the
// range of initial values, the coefficient of the load-balancing loss) has its default. Throws
// Error(corrupt_data) for missing keys and Error(unsupported), naming file and key, for
// architectures and keys of an architecture that we do not know.
ModelSpec read_spec(const io::GgufFile& file);

// Adds general.architecture and the keys that read_spec reads and llama.cpp expects. Throws
// Error(unsupported) for a spec that GGUF cannot express, so that no file computes something else
// than its model.
void write_spec(const ModelSpec& spec, io::GgufMetadata& metadata);

}  // namespace cadre::model::gguf
