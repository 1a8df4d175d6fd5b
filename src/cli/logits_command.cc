// cadre logits: what a model computes for given tokens, for comparison with other programs.

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/input.h"
#include "cli/model_input.h"
#include "cli/runtime.h"
#include "cli/terminal.h"
#include "core/io/safetensors_writer.h"

namespace cadre::cli {
namespace {

struct Options {
  std::string model;
  std::string tokens;
  std::string output;
  ModelOptions load;
  RuntimeOptions runtime;
};

void run(const Options& options) {
  const std::vector<int32_t> tokens = parse_token_ids(options.tokens);
  if (tokens.empty()) fail(ErrorKind::invalid_input, "--tokens: no ids, expected at least one");
  const std::filesystem::path folder = find_model(options.model);
  Runtime runtime(options.runtime);
  Context& ctx = runtime.context();
  const model::ModelSpec spec = model::read_spec(folder);
  print_notes(spec);
  const model::LoadedModel loaded = load_model(ctx, folder, spec, options.load);
  const int64_t start = 0;
  nn::ForwardTrace trace;
  const Tensor hidden =
      loaded.decoder->hidden(ctx, model::packed_input(tokens, {&start, 1}), &trace);
  std::map<std::string, Tensor> tensors;
  tensors["logits"] = loaded.decoder->logits(ctx, hidden);
  for (size_t layer = 0; layer < trace.routers.size(); ++layer) {
    const nn::RouterTrace& router = trace.routers[layer];
    if (!router.logits.defined()) continue;
    const std::string prefix = fmt::format("layers.{}.", layer);
    tensors[prefix + "router_logits"] = router.logits;
    tensors[prefix + "experts"] = router.experts;
    tensors[prefix + "routing_weights"] = router.weights;
  }
  io::write_safetensors(options.output, tensors);
  print_error(fmt::format("{}: logits of {} tokens", options.output, tokens.size()));
}

}  // namespace

void setup_logits(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "A model or run folder, or a .gguf file")
      ->type_name("MODEL")
      ->required();
  app.add_option("--tokens", options->tokens, "Token ids of one sequence: 1,2,3")
      ->type_name("IDS")
      ->required();
  app.add_option("-o,--output", options->output,
                 "The safetensors file to write: logits [N, V] and, for each layer, "
                 "layers.L.router_logits [N, E], .experts and .routing_weights [N, k]")
      ->type_name("FILE")
      ->required();
  add_model_options(app, options->load);
  add_fields(app, options->runtime, "Machine");
  add_examples(app, "  cadre logits model/ --tokens 1,2,3 --dtype f32 --output logits.safetensors");
  app.callback([options] { run(*options); });
}

}  // namespace cadre::cli
