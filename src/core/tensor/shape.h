// The extents of a tensor, outermost first.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace cadre {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  // Throws Error(invalid_input) beyond kMaxRank dimensions, for a negative extent, and where the
  // product of the extents does not fit in int64_t.
  Shape(std::initializer_list<int64_t> extents);
  explicit Shape(std::span<const int64_t> extents);

  int rank() const { return rank_; }
  // Negative indices count from the innermost: dim(-1) is the last extent.
  int64_t dim(int index) const;
  int64_t elements() const { return elements_; }
  std::span<const int64_t> extents() const { return {extents_.data(), static_cast<size_t>(rank_)}; }

  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
  int64_t elements_ = 1;
};

// "[64, 2048]"
std::string to_string(const Shape& shape);

}  // namespace cadre
