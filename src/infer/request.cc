#include "infer/request.h"

#include "core/base/error.h"
#include "core/base/fields.h"

namespace cadre::infer {

SamplerOptions sampler_of(const Request& request, int64_t index) {
  SamplerOptions options = request.text.sampler;
  options.seed += index;
  return options;
}

void check_request(const Request& request, int64_t vocab_size) {
  if (request.prompt.empty()) {
    fail(ErrorKind::invalid_input, "the prompt is empty, expected a token");
  }
  for (const int32_t token : request.prompt) {
    if (token < 0 || token >= vocab_size) {
      fail(ErrorKind::invalid_input, "the prompt has token {}, expected 0 to {}", token,
           vocab_size - 1);
    }
  }
  check_interval("request", "num_answers", static_cast<double>(request.num_answers),
                 {1, static_cast<double>(kMaxAnswers)});
  // A sampler refuses what is out of range. Seeds count up: first and last tell of all.
  static_cast<void>(Sampler(sampler_of(request, 0)));
  static_cast<void>(Sampler(sampler_of(request, request.num_answers - 1)));
}

std::string_view stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::max_tokens:
      return "max_tokens";
    case StopReason::stop_token:
      return "stop_token";
    case StopReason::stop_string:
      return "stop_string";
    case StopReason::complete:
      return "complete";
    case StopReason::context_full:
      return "context_full";
    case StopReason::cancelled:
      return "cancelled";
    case StopReason::failed:
      break;
  }
  return "failed";
}

}  // namespace cadre::infer
