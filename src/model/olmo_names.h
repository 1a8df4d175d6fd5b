// The names of tensors in safetensors files of the OLMo trainer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/io/tensor_source.h"

namespace cadre::model {

// The trainer writes a tensor's keys as a pickle in URL-safe base64: an STKey with a tuple of keys,
// or the tuple itself. Its keys, joined by dots; nothing for a name that is no base64 of a pickle.
// Throws the errors of Pickle::parse, and Error(corrupt_data) for a pickle of something else.
std::optional<std::string> decode_olmo_name(std::string_view name);

// The tensors under decoded names; names that need no decoding stay.
std::shared_ptr<const io::TensorSource> with_decoded_names(
    std::shared_ptr<const io::TensorSource> source);

}  // namespace cadre::model
