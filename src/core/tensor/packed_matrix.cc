#include "core/tensor/packed_matrix.h"

namespace cadre {

std::string_view packed_format_name(PackedFormat format) {
  switch (format) {
    case PackedFormat::q8_0:
      return "q8_0";
    case PackedFormat::q4_0:
      return "q4_0";
    case PackedFormat::q4_k:
      return "q4_k";
    case PackedFormat::q5_k:
      return "q5_k";
    case PackedFormat::q6_k:
      return "q6_k";
  }
  return {};
}

}  // namespace cadre
