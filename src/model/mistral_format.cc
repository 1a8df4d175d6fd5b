// The files in which Mistral AI publishes its models: params.json, and consolidated.safetensors or
// consolidated.NN.pt.
#include <algorithm>
#include <string>
#include <vector>

#include "core/io/json.h"
#include "core/io/safetensors_set.h"
#include "core/io/torch_file.h"
#include "model/families/config.h"
#include "model/format.h"
#include "model/mistral_names.h"

namespace cadre::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kParams = "params.json";
constexpr int64_t kDefaultPositions = 32768;  // the files name none

bool matches(const fs::path& place) {
  return fs::is_directory(place) ? fs::is_regular_file(place / kParams)
                                 : place.filename() == kParams;
}

fs::path params_file(const fs::path& place) {
  return fs::is_directory(place) ? place / kParams : place;
}

// One number, or a list that repeats one for groups of layers; null in it stands for no window.
int64_t window_of(const io::JsonView& params, std::string_view key) {
  if (params.is_null(key)) return 0;
  const io::JsonView value = params.at(key);
  if (value.value().get_if<io::JsonValue::Array>() == nullptr) return params.integer(key);
  int64_t window = -1;
  for (int64_t i = 0; i < value.size(); ++i) {
    const io::JsonView element = value.element(i);
    const int64_t own = element.value().is_null() ? 0 : element.as_integer();
    if (window >= 0 && own != window) {
      fail(ErrorKind::unsupported, "{}: {} and {}, expected one window for all layers",
           element.where(), window, own);
    }
    window = own;
  }
  return std::max<int64_t>(window, 0);
}

ModelSpec read_spec(const fs::path& place) {
  const io::JsonView params = io::JsonView::read_file(params_file(place));
  params.expect_object();
  ModelSpec spec;
  spec.hidden_size = params.integer("dim");
  spec.vocab_size = params.integer("vocab_size");
  spec.rms_norm_eps = params.number_or("norm_eps", 1e-5);
  spec.max_positions = params.integer_or("max_seq_len", kDefaultPositions);
  spec.bos_token_id = 1;
  spec.eos_token_id = 2;
  BlockSpec block;
  AttentionSpec& attention = block.attention;
  attention.num_heads = params.integer("n_heads");
  attention.num_kv_heads = params.integer_or("n_kv_heads", attention.num_heads);
  attention.head_dim = params.is_null("head_dim")
                           ? divide_heads(params, spec.hidden_size, attention.num_heads)
                           : params.integer("head_dim");
  attention.window =
      window_of(params, params.is_null("sliding_window") ? "_sliding_window" : "sliding_window");
  // The publisher's code: models with a window are of the first generation.
  attention.rope.theta = params.number_or("rope_theta", attention.window > 0 ? 1e4 : 1e6);
  const MlpSpec mlp = {.intermediate_size = params.integer("hidden_dim")};
  if (params.is_null("moe")) {
    spec.architecture = "MistralForCausalLM";
    block.feed_forward = mlp;
  } else {
    const io::JsonView moe = params.object("moe");
    spec.architecture = "MixtralForCausalLM";
    block.feed_forward = MoeSpec{.router = {.num_experts = moe.integer("num_experts"),
                                            .top_k = moe.integer("num_experts_per_tok"),
                                            .renormalise = true},
                                 .expert = mlp};
  }
  spec.blocks.assign(layer_count(params, "n_layers", 0), block);
  return spec;
}

// consolidated.00.pt, consolidated.01.pt, ...
std::vector<fs::path> torch_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("consolidated.") && name.ends_with(".pt")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::shared_ptr<const io::TensorSource> open_source(const fs::path& folder) {
  const fs::path whole = folder / "consolidated.safetensors";
  if (fs::exists(whole)) {
    return std::make_shared<const io::SafetensorsSet>(io::SafetensorsSet::open(whole));
  }
  const std::vector<fs::path> files = torch_files(folder);
  if (files.empty()) {
    fail(ErrorKind::not_found, "{}: holds neither consolidated.safetensors nor consolidated.00.pt",
         folder.string());
  }
  return std::make_shared<const io::TorchSet>(files);
}

std::unique_ptr<const Weights> open_weights(const fs::path& place, const ModelSpec& spec) {
  const fs::path folder = params_file(place).parent_path();
  return weights_in(open_source(folder), mistral_layouts(spec), spec, folder);
}

}  // namespace

const Format kMistralFormat = {"Mistral AI's own", kParams, matches, read_spec, open_weights};

}  // namespace cadre::model
