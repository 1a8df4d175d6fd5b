#include "tests/core/kernels/guarded.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

#include "core/base/random.h"

namespace cadre::kernels::testing {
namespace {

constexpr std::byte kGuard{0xa5};

}  // namespace

GuardedBuffer::GuardedBuffer(DType type, int64_t count) : type_(type), count_(count) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t bytes = count * dtype_size(type);
  page_bytes_ = (bytes + 64 + page - 1) / page * page;  // at least 64 bytes of guard in front
  void* pages =
      mmap(nullptr, page_bytes_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::runtime_error("mmap failed");
  pages_ = static_cast<std::byte*>(pages);
  mprotect(pages_ + page_bytes_, page, PROT_NONE);
  data_ = pages_ + page_bytes_ - bytes;
  std::fill(pages_, data_, kGuard);
  std::fill(data_, data_ + bytes, std::byte{0xff});
}

GuardedBuffer::~GuardedBuffer() {
  if (pages_ != nullptr) munmap(pages_, page_bytes_ + sysconf(_SC_PAGESIZE));
}

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept
    : type_(other.type_),
      count_(other.count_),
      pages_(std::exchange(other.pages_, nullptr)),
      page_bytes_(other.page_bytes_),
      data_(other.data_) {}

float GuardedBuffer::get(int64_t i) const {
  if (type_ == DType::bf16) return to_f32(static_cast<const bf16*>(data())[i]);
  if (type_ == DType::f16) return to_f32(static_cast<const f16*>(data())[i]);
  return f32()[i];
}

void GuardedBuffer::set(int64_t i, float value) {
  if (type_ == DType::bf16) {
    static_cast<bf16*>(data())[i] = to_bf16(value);
  } else if (type_ == DType::f16) {
    static_cast<f16*>(data())[i] = to_f16(value);
  } else {
    f32()[i] = value;
  }
}

GuardedBuffer& GuardedBuffer::randomise(uint64_t seed, double scale) {
  RandomStream random(seed);
  for (int64_t i = 0; i < count_; ++i) set(i, static_cast<float>(random.normal_at(i) * scale));
  return *this;
}

GuardedBuffer& GuardedBuffer::fill(float value) {
  for (int64_t i = 0; i < count_; ++i) set(i, value);
  return *this;
}

GuardedBuffer& GuardedBuffer::copy(const GuardedBuffer& other) {
  std::memcpy(data_, other.data_, count_ * dtype_size(type_));
  return *this;
}

std::vector<double> GuardedBuffer::values() const {
  std::vector<double> values(count_);
  for (int64_t i = 0; i < count_; ++i) values[i] = get(i);
  return values;
}

bool GuardedBuffer::intact() const {
  return std::all_of(pages_, data_, [](std::byte b) { return b == kGuard; });
}

std::vector<const KernelTable*> fast_tables() {
  std::vector<const KernelTable*> tables = supported_tables();
  tables.erase(tables.begin());
  return tables;
}

bool same_bytes(const GuardedBuffer& a, const GuardedBuffer& b) {
  return a.count() == b.count() && a.type() == b.type() &&
         std::memcmp(a.data(), b.data(), a.count() * dtype_size(a.type())) == 0;
}

double largest_error(const std::vector<double>& got, const std::vector<double>& want,
                     double floor) {
  if (got.size() != want.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]))) continue;
    const double error = std::fabs(got[i] - want[i]) / (std::fabs(want[i]) + floor);
    worst = std::isfinite(error) ? std::max(worst, error) : std::numeric_limits<double>::infinity();
  }
  return worst;
}

double largest_error(const GuardedBuffer& got, const GuardedBuffer& want, double floor) {
  return largest_error(got.values(), want.values(), floor);
}

double tolerance(DType type, double relative) {
  if (type == DType::bf16) return 0x1p-7 + relative;
  if (type == DType::f16) return 0x1p-10 + relative;
  return relative;
}

std::vector<double> central_differences(const std::function<double(const std::vector<double>&)>& f,
                                        std::vector<double> x) {
  constexpr double kStep = 1e-5;
  std::vector<double> gradient(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double at = std::exchange(x[i], x[i] + kStep);
    const double above = f(x);
    x[i] = at - kStep;
    gradient[i] = (above - f(x)) / (2 * kStep);
    x[i] = at;
  }
  return gradient;
}

}  // namespace cadre::kernels::testing
