// How much memory this process may still take.
#pragma once

#include <cstdint>
#include <filesystem>

namespace cadre {

// In bytes: what the machine has available, or what the tightest of the control groups around this
// process leaves, version 2 or 1, at whatever depth they are nested. Cached files count as
// available, for the system gives them up. Where nothing is known the largest number.
//
// `root` stands for "/", for tests.
uint64_t available_memory_bytes(const std::filesystem::path& root = "/");

}  // namespace cadre
