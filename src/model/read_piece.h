// Elements of a piece of a file's tensor, in our order and in any element type.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/base/range.h"
#include "core/io/tensor_source.h"
#include "core/ops/context.h"
#include "model/families/family.h"

namespace cadre::model {

// A tensor of the source, and the blocks of one, as large as the source says. What it makes of
// several stored tensors has to be, for pieces are cut from it by the shape alone; else
// Error(internal).
Tensor whole_tensor(const io::TensorSource& source, const std::string& name);
std::span<const std::byte> whole_blocks(const io::TensorSource& source, const std::string& name);

// Elements [local.begin, local.end) of the piece, counted in our order, as f32, bf16 or f16: out
// has local.size() of them. Takes the time and memory of what is asked for, but for elements that
// change places one by one, or in tensors that are made anew: those take the whole piece's or
// tensor's.
void read_piece(Context& ctx, const io::TensorSource& source, const FilePart& piece, Range local,
                DType type, std::byte* out);

}  // namespace cadre::model
