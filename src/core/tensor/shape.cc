#include "core/tensor/shape.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/error.h"

namespace cadre {

Shape::Shape(std::initializer_list<int64_t> extents)
    : Shape(std::span<const int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const int64_t> extents) {
  if (extents.size() > kMaxRank) {
    fail(ErrorKind::invalid_input, "a shape has {} dimensions, expected at most {}", extents.size(),
         kMaxRank);
  }
  for (const int64_t extent : extents) {
    if (extent < 0 || __builtin_mul_overflow(elements_, extent, &elements_)) {
      fail(ErrorKind::invalid_input, "shape [{}] is negative or too large",
           fmt::join(extents.begin(), extents.end(), ", "));
    }
    extents_[static_cast<size_t>(rank_++)] = extent;
  }
}

int64_t Shape::dim(int index) const {
  const int position = index < 0 ? index + rank_ : index;
  CADRE_CHECK(position >= 0 && position < rank_);
  return extents_[static_cast<size_t>(position)];
}

bool Shape::operator==(const Shape& other) const {
  return std::ranges::equal(extents(), other.extents());
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.extents(), ", "));
}

}  // namespace cadre
