#include "model/nn/local_filter.h"

#include <fmt/format.h>

#include "core/ops/rms_norm.h"

namespace cadre::nn {

LocalFilter::LocalFilter(const model::ModelSpec& model, int64_t layer,
                         const model::Parameters& parameters)
    : layer_(layer),
      eps_(static_cast<float>(
          model.blocks[static_cast<size_t>(layer)].attention.filter.value().eps)) {
  const auto weight = [&](const char* name) {
    return parameters.tensor(fmt::format("blocks.{}.attention.filter.{}", layer, name));
  };
  weights_ = {.first = weight("first"),
              .first_bias = weight("first_bias"),
              .second = weight("second"),
              .second_bias = weight("second_bias")};
  norm_ = weight("norm");
}

Tensor LocalFilter::forward(Context& ctx, const Tensor& x, const ForwardInput& input) const {
  Tensor y;
  if (input.store != nullptr) {
    ops::LocalFilterRows rows = {.hidden = x, .inner = {}};
    y = ops::local_filter(ctx, x, weights_, input.store->segments(layer_),
                          input.store->filter_rows_before(ctx, layer_), &rows.inner);
    input.store->keep_filter_rows(ctx, layer_, rows);
  } else {
    y = ops::local_filter(ctx, x, weights_,
                          input.filter_segments ? input.filter_segments : input.segments);
  }
  return ops::rms_norm(ctx, y, norm_, eps_, x.dtype());
}

ops::LocalFilterRows KeyValueStore::filter_rows_before(Context&, int64_t layer) {
  fail(ErrorKind::unsupported, "layer {}: this KV cache keeps no rows of local filters", layer);
}

void KeyValueStore::keep_filter_rows(Context&, int64_t layer, const ops::LocalFilterRows&) {
  fail(ErrorKind::unsupported, "layer {}: this KV cache keeps no rows of local filters", layer);
}

}  // namespace cadre::nn
