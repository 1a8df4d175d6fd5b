// The tables themselves, whether this processor can run them or not. Their sources are compiled
// without flags of an instruction set.
#pragma once

#include "core/kernels/table.h"

namespace cadre::kernels {

namespace avx2 {
const KernelTable& table();
}
namespace avx512 {
const KernelTable& table();
const KernelTable& table_vnni();
// Every processor with AVX512_BF16 has VNNI.
const KernelTable& table_bf16();
}  // namespace avx512
namespace amx {
const KernelTable& table();
}

}  // namespace cadre::kernels
