// What the machine can do at most, in loops that do nothing else. A speed is quoted as a share of
// these; no model code calls them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cadre::kernels {

// Runs about `flops` floating-point operations on registers alone, in independent chains, with the
// instruction that this table's gemm of that type is made of (i8: its product with quantised
// weights; operations on integers then). Returns how many it ran.
using PeakFlopsFn = int64_t(int64_t flops) noexcept;

// Moves `bytes` (a multiple of 4096, 64-byte aligned) once from or to memory: read sums all words
// and returns the sum, so that nothing is skipped; write stores past the caches where the table
// can; copy does both.
using ReadMemoryFn = uint64_t(const std::byte* from, int64_t bytes) noexcept;
using WriteMemoryFn = void(std::byte* to, int64_t bytes) noexcept;
using CopyMemoryFn = void(const std::byte* from, std::byte* to, int64_t bytes) noexcept;

// The order in which memory was read fastest, of those tried: two halves in turns of half a page,
// asked for ahead, first into the second-level cache. A plain loop reads 10 to 20 % less, for the
// processor's own prefetching stops at each page.
constexpr int64_t kReadTurn = 2048;
constexpr int64_t kReadFar = 3072;
constexpr int64_t kReadNear = 1024;

}  // namespace cadre::kernels
