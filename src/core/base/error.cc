#include "core/base/error.h"

namespace cadre {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
      return 2;
    case ErrorKind::not_found:
      return 3;
    case ErrorKind::corrupt_data:
      return 4;
    case ErrorKind::unsupported:
      return 5;
    case ErrorKind::exhausted:
      return 6;
    case ErrorKind::internal:
      break;
  }
  return 70;
}

void check_failed(const char* expression, const char* file, int line) {
  fail(ErrorKind::internal, "{}:{}: check failed: {}", file, line, expression);
}

}  // namespace cadre
