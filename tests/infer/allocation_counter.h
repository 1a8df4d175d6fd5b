// Counts what a program asks of operator new, which allocation_counter.cc replaces.
#pragma once

#include <cstdint>

namespace cadre {

// Calls of operator new by any thread while an object lives; one at a time.
class AllocationCounter {
 public:
  AllocationCounter();
  ~AllocationCounter();
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;

  int64_t calls() const;
};

// Bytes that the process holds from malloc; 0 under sanitizers, which have their own.
int64_t heap_bytes();

}  // namespace cadre
