// How GGUF files call the tensors of each architecture.
#pragma once

#include <span>
#include <string_view>

#include "model/families/family.h"

namespace cadre::model::gguf {

// The layouts of an architecture as `general.architecture` names it, the one we write first: the
// experts of a layer stacked into one tensor of rank 3, or one tensor for each expert as in files
// of early 2024. Architectures that turn neighbouring elements ("llama", "arctic") hold the rows of
// queries and keys in pairs. Empty for architectures that we do not know.
std::span<const NameLayout> layouts(std::string_view architecture);

// "llama, olmoe, ...", for messages.
std::string_view known_architectures();

}  // namespace cadre::model::gguf
