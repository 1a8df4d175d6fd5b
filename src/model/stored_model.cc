#include "model/stored_model.h"

#include "model/format.h"

namespace cadre::model {
namespace {

Range whole(const ParameterSpec& parameter) { return {0, parameter.shape.elements()}; }

void fill(Context& ctx, const Weights& weights, int64_t parameter, const Tensor& target) {
  const ParameterSpec& spec = weights.parameters()[static_cast<size_t>(parameter)];
  CADRE_CHECK(target.shape() == spec.shape);
  weights.read(ctx, parameter, whole(spec), target.dtype(), target.raw());
  // What has been copied would otherwise stay in memory twice.
  weights.release(parameter, whole(spec));
}

}  // namespace

ModelSpec read_spec(const std::filesystem::path& place) {
  ModelSpec spec = format_of(place).read_spec(place);
  validate(spec, place.string());
  return spec;
}

std::unique_ptr<const Weights> open_weights(const std::filesystem::path& place,
                                            const ModelSpec& spec) {
  return format_of(place).open_weights(place, spec);
}

void load_tensors(Context& ctx, const std::filesystem::path& place, const ModelSpec& spec,
                  const std::function<Tensor(int64_t parameter)>& target) {
  const std::unique_ptr<const Weights> weights = open_weights(place, spec);
  const auto count = static_cast<int64_t>(weights->parameters().size());
  for (int64_t p = 0; p < count; ++p) fill(ctx, *weights, p, target(p));
}

DType stored_dtype(const std::filesystem::path& place, const ModelSpec& spec) {
  return open_weights(place, spec)->dtype(0);
}

LoadedModel load_model(Context& ctx, const std::filesystem::path& place, DType compute) {
  const ModelSpec spec = read_spec(place);
  const std::unique_ptr<const Weights> weights = open_weights(place, spec);
  std::vector<bool> viewed;
  auto parameters = std::make_shared<Parameters>(ctx, spec, compute, [&](int64_t p) {
    const ParameterSpec& parameter = weights->parameters()[static_cast<size_t>(p)];
    const Tensor mapped = weights->view(p, whole(parameter), compute_type(parameter.kind, compute));
    viewed.push_back(mapped.defined());
    return mapped.defined() ? mapped.reshape(parameter.shape) : mapped;
  });
  for (int64_t p = 0; p < parameters->size(); ++p) {
    if (!viewed[static_cast<size_t>(p)]) fill(ctx, *weights, p, parameters->tensor(p));
  }
  return {parameters, std::make_shared<const Decoder>(spec, parameters)};
}

}  // namespace cadre::model
