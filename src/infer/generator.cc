#include "infer/generator.h"

#include "infer/session.h"

namespace cadre::infer {

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
      break;
  }
  return "cancelled";
}

GenerateResult generate(Context& ctx, const model::Decoder& decoder,
                        std::span<const int32_t> prompt, const GenerateOptions& options,
                        const std::function<bool(int32_t)>& on_token) {
  return Session(decoder).generate(ctx, prompt, options, on_token);
}

}  // namespace cadre::infer
