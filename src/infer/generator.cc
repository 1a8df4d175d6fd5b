#include "infer/generator.h"

#include "infer/session.h"

namespace cadre::infer {

GenerateResult generate(Context& ctx, const model::Decoder& decoder,
                        std::span<const int32_t> prompt, const GenerateOptions& options,
                        const std::function<bool(int32_t)>& on_token) {
  return Session(decoder).generate(ctx, prompt, options, on_token);
}

}  // namespace cadre::infer
