#include "core/kernels/cpu/loops/round_blocks.h"

#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels::scalar {
namespace {

// Eight lanes as an array, with the order of sums and the choices among NaNs of F32x8.
struct Lanes8 {
  struct All {};
  float lanes[8];

  template <typename F>
  static Lanes8 each(F value) {
    Lanes8 result;
    for (int i = 0; i < 8; ++i) result.lanes[i] = value(i);
    return result;
  }
  static Lanes8 all(float x) {
    return each([&](int) { return x; });
  }
  static Lanes8 load(const float* p, All) {
    return each([&](int i) { return p[i]; });
  }
  void store(float* p, All) const {
    for (int i = 0; i < 8; ++i) p[i] = lanes[i];
  }
  friend Lanes8 operator+(const Lanes8& a, const Lanes8& b) {
    return each([&](int i) { return a.lanes[i] + b.lanes[i]; });
  }
  friend Lanes8 operator-(const Lanes8& a, const Lanes8& b) {
    return each([&](int i) { return a.lanes[i] - b.lanes[i]; });
  }
  friend Lanes8 operator*(const Lanes8& a, const Lanes8& b) {
    return each([&](int i) { return a.lanes[i] * b.lanes[i]; });
  }
  static Lanes8 max(const Lanes8& a, const Lanes8& b) {
    return each([&](int i) { return a.lanes[i] > b.lanes[i] ? a.lanes[i] : b.lanes[i]; });
  }
  static Lanes8 min(const Lanes8& a, const Lanes8& b) {
    return each([&](int i) { return a.lanes[i] < b.lanes[i] ? a.lanes[i] : b.lanes[i]; });
  }
  float sum() const {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }
};

}  // namespace

void round_blocks(const RoundBlocksArgs& args, Range blocks) noexcept {
  loops::round_blocks<Lanes8>(args, blocks);
}

}  // namespace cadre::kernels::scalar
