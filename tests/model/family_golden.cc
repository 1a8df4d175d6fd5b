#include "tests/model/family_golden.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <cmath>
#include <cstring>

#include "core/io/safetensors_set.h"
#include "core/ops/tape.h"
#include "model/hf.h"
#include "model/router_json.h"
#include "model/router_loss.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;

std::vector<const kernels::KernelTable*> tables() {
  return kernels::supported_tables(detect_cpu_features());
}

void check_routers(const GoldenCase& golden, const nn::ForwardTrace& trace) {
  for (size_t layer = 0; layer < trace.routers.size(); ++layer) {
    const std::string prefix = "layers." + std::to_string(layer);
    const nn::RouterTrace& router = trace.routers[layer];
    REQUIRE(golden.has(prefix + ".experts") == router.logits.defined());
    if (!router.logits.defined()) continue;
    CHECK(max_difference(router.logits, golden.expected(prefix + ".router_logits"), golden) < 1e-4);
    CHECK(max_difference(router.weights, golden.expected(prefix + ".routing_weights"), golden) <
          1e-4);
    const Tensor experts = golden.expected(prefix + ".experts");
    for (int64_t i = 0; i < experts.elements(); ++i) {
      if (!golden.is_real(i / experts.dim(1))) continue;
      CHECK(router.experts.data<int32_t>()[i] == experts.data<int32_t>()[i]);
    }
  }
}

// Saves gradients as if they were the model, so that they have the names and the order of the file.
void save_gradients(Context& ctx, const GoldenCase& golden, const fs::path& folder) {
  const model::LoadedModel loaded = model::load_model(ctx, golden.folder(), DType::f32);
  const model::ModelSpec& spec = loaded.decoder->spec();
  // The reference was recorded without the noise of training.
  const model::Decoder decoder(model::inference_view(spec), loaded.parameters);
  std::vector<Tensor> gradients;
  Tape tape;
  for (int64_t p = 0; p < loaded.parameters->size(); ++p) {
    gradients.push_back(ctx.empty(loaded.parameters->tensor(p).shape(), DType::f32));
    tape.watch(loaded.parameters->tensor(p), gradients.back(), /*fresh=*/true);
  }
  {
    const Context::TapeScope scope(ctx, &tape);
    nn::ForwardTrace trace;
    const Tensor hidden = decoder.hidden(ctx, golden.input(), &trace);
    const auto loss = decoder.loss(ctx, hidden, golden.targets(), golden.target_weights());
    const model::RouterLosses router =
        model::apply_router_losses(spec,
                                   {.load_balancing = model::LoadBalancing::transformers,
                                    .load_balancing_weight = spec.router_aux_loss_coef,
                                    .z_weight = 0.0},
                                   1.0, trace);
    const float ce = loss.loss.data<float>()[0];
    CHECK(ce == doctest::Approx(golden.scalar("loss")).epsilon(1e-5));
    CHECK(std::fabs(router.load_balancing - golden.scalar("aux_loss")) < 1e-5);
    CHECK(ce + router.weighted_sum == doctest::Approx(golden.scalar("total_loss")).epsilon(1e-5));
    const Tensor one = ctx.empty({1}, DType::f32);
    one.data<float>()[0] = 1.0f;
    tape.backward(ctx, loss.loss, one);
    tape.finish_leaves(ctx);
  }
  model::save_model(ctx, folder, spec, {},
                    [&](int64_t p) { return gradients[static_cast<size_t>(p)]; });
}

}  // namespace

std::vector<std::string> arctic_cases() {
  return {"arctic/parallel", "arctic/sequential",  "arctic/every_third",
          "arctic/top_1",    "arctic/window_tied", "arctic/dense"};
}

std::vector<std::string> yuan_cases() {
  return {"yuan/m32", "yuan/dense", "yuan/odd_untied", "yuan/bf16_frequencies",
          "yuan/bf16_rotations"};
}

std::vector<std::string> transformers_cases() {
  return {"mixtral/plain",
          "mixtral/odd_window",
          "mixtral/top_1_packed",
          "mixtral/tied_padded",
          "mistral/plain",
          "mistral/window",
          "mistral/head_dim",
          "mistral/tied",
          "llama/plain",
          "llama/biases",
          "llama/llama3_rope",
          "llama/linear_rope_head_dim",
          "olmo/plain",
          "olmo/clipped",
          "olmo/biases",
          "olmo/tied",
          "olmo2/plain",
          "olmo2/grouped",
          "olmo2/biases",
          "olmo2/tied",
          "qwen2_moe/plain",
          "qwen2_moe/mixed_layers",
          "qwen2_moe/windowed_packed",
          "qwen2_moe/unbiased_top_1",
          "deepseek/plain",
          "deepseek/every_second",
          "deepseek/unshared_top_1",
          "deepseek/dense"};
}

GoldenFolder::GoldenFolder() {
  std::string pattern = (fs::temp_directory_path() / "cadre-golden-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

GoldenFolder::~GoldenFolder() { fs::remove_all(path_); }

void check_golden_logits(const std::string& name) {
  for (const kernels::KernelTable* table : tables()) {
    CAPTURE(table->name);
    CAPTURE(name);
    const GoldenCase golden(name);
    Machine machine(*table);
    const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
    nn::ForwardTrace trace;
    const Tensor hidden = loaded.decoder->hidden(machine.ctx, golden.input(), &trace);
    const Tensor logits = loaded.decoder->logits(machine.ctx, hidden);
    CHECK(max_difference(logits, golden.expected("logits"), golden) < 1e-4);
    check_routers(golden, trace);
  }
}

void check_golden_gradients(const std::string& name) {
  for (const kernels::KernelTable* table : tables()) {
    CAPTURE(table->name);
    CAPTURE(name);
    const GoldenCase golden(name);
    const GoldenFolder folder;
    Machine machine(*table);
    save_gradients(machine.ctx, golden, folder.path());
    const io::SafetensorsSet gradients = io::SafetensorsSet::open(folder.path());
    const bool tied = model::read_spec(golden.folder()).tied_embeddings;
    for (const std::string& tensor : gradients.names()) {
      if (tied && tensor == "lm_head.weight") continue;  // that of the embedding
      CAPTURE(tensor);
      const Tensor found = gradients.tensor(tensor);
      const Tensor expected = golden.expected("grad." + tensor);
      REQUIRE(found.shape() == expected.shape());
      CHECK(relative_norm(found.data<float>(), expected.data<float>(), found.elements()) < 1e-3);
    }
  }
}

void check_golden_round_trip(const std::string& name) {
  CAPTURE(name);
  const GoldenCase golden(name);
  const GoldenFolder folder;
  Machine machine;
  const model::LoadedModel loaded = model::load_model(machine.ctx, golden.folder(), DType::f32);
  const model::ModelSpec& spec = loaded.decoder->spec();
  model::save_model(machine.ctx, folder.path(), spec,
                    {.dtype = model::stored_dtype(golden.folder(), spec)},
                    [&](int64_t p) { return loaded.parameters->tensor(p); });
  const io::SafetensorsSet before = io::SafetensorsSet::open(golden.folder());
  const io::SafetensorsSet after = io::SafetensorsSet::open(folder.path());
  // Packed experts are read, and written one by one.
  const bool packed = name.ends_with("packed");
  REQUIRE(packed != (before.names() == after.names()));
  for (const std::string& tensor : before.names()) {
    if (!after.contains(tensor)) continue;
    CAPTURE(tensor);
    const Tensor x = before.tensor(tensor);
    const Tensor y = after.tensor(tensor);
    REQUIRE(x.shape() == y.shape());
    REQUIRE(x.dtype() == y.dtype());
    CHECK(std::memcmp(x.raw(), y.raw(), static_cast<size_t>(x.bytes())) == 0);
  }
  const model::LoadedModel again = model::load_model(machine.ctx, folder.path(), DType::f32);
  for (int64_t p = 0; p < again.parameters->size(); ++p) {
    const Tensor& x = loaded.parameters->tensor(p);
    const Tensor& y = again.parameters->tensor(p);
    CHECK(std::memcmp(x.raw(), y.raw(), static_cast<size_t>(x.bytes())) == 0);
  }
  model::ModelSpec expected = spec;
  expected.notes = again.decoder->spec().notes;
  CHECK(again.decoder->spec() == expected);
}

}  // namespace cadre
