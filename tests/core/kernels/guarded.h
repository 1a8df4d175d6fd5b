// Memory for kernel tests: random numbers, conversions, and guards that notice a stray byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/tensor/dtype.h"
#include "tests/core/kernels/kernel_test.h"

namespace cadre::kernels::testing {

// `count` elements that end where their page ends, followed by a page that may not be touched: a
// read or write past the end is a segmentation fault at once, and bytes written before the start
// are found by intact(). Starts as NaN (floating types) or -1, so that what a kernel forgets shows.
class GuardedBuffer {
 public:
  GuardedBuffer(DType type, int64_t count);
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer&& other) noexcept;
  GuardedBuffer& operator=(GuardedBuffer&&) = delete;

  DType type() const { return type_; }
  int64_t count() const { return count_; }
  void* data() const { return data_; }
  float* f32() const { return static_cast<float*>(data()); }
  int32_t* i32() const { return static_cast<int32_t*>(data()); }
  float get(int64_t i) const;  // of a floating type
  void set(int64_t i, float value);

  // Normal deviates times `scale`, rounded to the type; returns itself.
  GuardedBuffer& randomise(uint64_t seed, double scale = 1.0);
  GuardedBuffer& fill(float value);
  GuardedBuffer& copy(const GuardedBuffer& other);
  std::vector<double> values() const;

  bool intact() const;

 private:
  DType type_;
  int64_t count_;
  std::byte* pages_ = nullptr;
  int64_t page_bytes_ = 0;  // of the part that may be touched
  std::byte* data_ = nullptr;
};

// The tables this machine can run, without the scalar one.
std::vector<const KernelTable*> fast_tables();

bool same_bytes(const GuardedBuffer& a, const GuardedBuffer& b);

// The largest |got - want| / (|want| + floor); infinite where only one is NaN, or one is infinite
// and the other different.
double largest_error(const GuardedBuffer& got, const GuardedBuffer& want, double floor);
double largest_error(const std::vector<double>& got, const std::vector<double>& want, double floor);

// What rounding alone may add to an f32 result within `relative` of the truth: one unit in the last
// place where the result is narrower.
double tolerance(DType type, double relative);

// The gradient of f at x by central differences; f in f64 throughout.
std::vector<double> central_differences(const std::function<double(const std::vector<double>&)>& f,
                                        std::vector<double> x);

}  // namespace cadre::kernels::testing
