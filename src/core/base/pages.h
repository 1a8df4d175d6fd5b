// Pages of mapped files that have been read and are not needed for now.
#pragma once

#include <cstddef>
#include <span>

namespace cadre {

// Lets the system take back the memory behind these bytes of a read-only mapping; they are read
// again from the file when next touched. What streams a large model through a small memory calls
// this. A hint: pages that the span holds in part stay, and refusal is harmless.
void release_pages(std::span<const std::byte> mapped);

}  // namespace cadre
