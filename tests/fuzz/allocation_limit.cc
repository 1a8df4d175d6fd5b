// Every allocation of a replay passes here, so that a length believed too early is seen. Sanitizers
// bring allocators of their own, so builds with them leave this file out.
#include <cstdlib>
#include <new>

#include "tests/fuzz/fuzz.h"

void* operator new(size_t size) {
  if (size > cadre::fuzz::kMaxAllocation) throw std::bad_alloc();
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
