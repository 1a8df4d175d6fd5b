// cadre info: what a model is and costs, from its configuration alone.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/human.h"
#include "cli/model_input.h"
#include "cli/terminal.h"
#include "core/io/json_value.h"
#include "model/cost.h"
#include "model/format.h"
#include "model/stored_model.h"

namespace cadre::cli {
namespace {

using io::JsonValue;

struct Options {
  std::string model;
  bool json = false;
};

struct Format {
  const char* name;
  DType dtype;
};
constexpr Format kFormats[] = {{"f32", DType::f32}, {"bf16", DType::bf16}};

// The first mixture of the model; null if all layers are dense.
const model::MoeSpec* first_mixture(const model::ModelSpec& spec) {
  for (const model::BlockSpec& block : spec.blocks) {
    if (const auto* moe = std::get_if<model::MoeSpec>(&block.feed_forward)) return moe;
  }
  return nullptr;
}

int64_t count_mixtures(const model::ModelSpec& spec) {
  return std::ranges::count_if(spec.blocks, [](const model::BlockSpec& block) {
    return std::holds_alternative<model::MoeSpec>(block.feed_forward);
  });
}

// What stands on the disk; nothing for a configuration without weights.
struct Stored {
  std::string_view format;
  int64_t tensors = 0;
  int64_t bytes = 0;
  std::vector<std::pair<std::string, int64_t>> types;  // elements of each, most first
};

std::optional<Stored> stored(const std::filesystem::path& place, const model::ModelSpec& spec) {
  try {
    const auto weights = model::open_weights(place, spec);
    return Stored{model::format_of(place).name, weights->num_tensors(), weights->stored_bytes(),
                  weights->stored_types()};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return std::nullopt;
  }
}

JsonValue as_json(const Stored& files) {
  JsonValue types = JsonValue::object();
  for (const auto& [name, elements] : files.types) types.set(name, elements);
  JsonValue json = JsonValue::object();
  json.set("format", files.format)
      .set("tensors", files.tensors)
      .set("bytes", files.bytes)
      .set("types", std::move(types));
  return json;
}

// "q4_k (93.1 %), q6_k (6.8 %), f32 (0.1 %)"; the name alone where there is one.
std::string shares_of(const std::vector<std::pair<std::string, int64_t>>& types) {
  if (types.size() == 1) return types.front().first;
  int64_t all = 0;
  for (const auto& [name, elements] : types) all += elements;
  std::string text;
  for (const auto& [name, elements] : types) {
    text += fmt::format("{}{} ({:.1f} %)", text.empty() ? "" : ", ", name,
                        100.0 * static_cast<double>(elements) / static_cast<double>(all));
  }
  return text;
}

// The widest sliding window of any layer; 0 if none has one.
int64_t widest_window(const model::ModelSpec& spec) {
  int64_t window = 0;
  for (const model::BlockSpec& block : spec.blocks) {
    window = std::max(window, block.attention.window);
  }
  return window;
}

int64_t count_windows(const model::ModelSpec& spec) {
  return std::ranges::count_if(
      spec.blocks, [](const model::BlockSpec& block) { return block.attention.window > 0; });
}

JsonValue as_json(const model::ModelSpec& spec, const model::ModelCost& cost) {
  const model::AttentionSpec& attention = spec.blocks.front().attention;
  JsonValue result = JsonValue::object();
  result.set("architecture", spec.architecture)
      .set("total_parameters", cost.total_parameters)
      .set("active_parameters", cost.active_parameters)
      .set("forward_flops_per_token", cost.forward_flops_per_token)
      .set("training_flops_per_token", cost.training_flops_per_token)
      .set("attention_flops_per_token_at_full_context",
           model::attention_flops_per_token(spec, spec.max_positions));
  JsonValue bytes = JsonValue::object();
  for (const Format& format : kFormats) {
    bytes.set(format.name, model::stored_bytes(spec, format.dtype));
  }
  result.set("bytes", std::move(bytes))
      .set("kv_cache_bytes_per_token", cost.kv_cache_bytes_per_token)
      .set("filter_state_bytes_per_sequence", cost.filter_state_bytes_per_sequence)
      .set("kv_cache_bytes_at_full_context", model::kv_cache_bytes(spec, spec.max_positions))
      .set("window", widest_window(spec))
      .set("vocab_size", spec.vocab_size)
      .set("hidden_size", spec.hidden_size)
      .set("num_layers", spec.num_layers())
      .set("num_heads", attention.num_heads)
      .set("num_kv_heads", attention.num_kv_heads)
      .set("head_dim", attention.head_dim)
      .set("max_positions", spec.max_positions)
      .set("tied_embeddings", spec.tied_embeddings);
  if (const model::MoeSpec* moe = first_mixture(spec)) {
    result.set("num_experts", moe->router.num_experts)
        .set("top_k", moe->router.top_k)
        .set("expert_size", moe->expert.intermediate_size)
        .set("shared_expert_size", moe->shared.intermediate_size);
  }
  result.set("notes", spec.notes);
  return result;
}

void print_for_people(const model::ModelSpec& spec, const model::ModelCost& cost) {
  const model::AttentionSpec& attention = spec.blocks.front().attention;
  print("architecture       {}\n", spec.architecture);
  print("parameters         {} in all, {} active for a token ({:.1f} %)\n",
        grouped(cost.total_parameters), grouped(cost.active_parameters),
        100.0 * static_cast<double>(cost.active_parameters) /
            static_cast<double>(cost.total_parameters));
  print("layers             {} of hidden size {}, {} heads ({} for keys and values) of {}\n",
        spec.num_layers(), spec.hidden_size, attention.num_heads, attention.num_kv_heads,
        attention.head_dim);
  if (const model::MoeSpec* moe = first_mixture(spec)) {
    print("experts            {} of width {}, {} for each token, in {} layers\n",
          moe->router.num_experts, moe->expert.intermediate_size, moe->router.top_k,
          count_mixtures(spec));
  }
  print("vocabulary         {} ids, context {} positions\n", grouped(spec.vocab_size),
        grouped(spec.max_positions));
  print("operations         {}FLOP a token forward, {}FLOP in training\n",
        human_count(cost.forward_flops_per_token), human_count(cost.training_flops_per_token));
  for (const Format& format : kFormats) {
    print("weights in {:<7} {}\n", format.name,
          human_bytes(static_cast<double>(model::stored_bytes(spec, format.dtype))));
  }
  print("KV cache (bf16)    {} a token, {} for a full context\n",
        human_bytes(static_cast<double>(cost.kv_cache_bytes_per_token)),
        human_bytes(static_cast<double>(model::kv_cache_bytes(spec, spec.max_positions))));
  if (const int64_t window = widest_window(spec); window > 0) {
    print("sliding window     {} slots of the cache at most, in {} of {} layers\n", grouped(window),
          count_windows(spec), spec.num_layers());
  }
  if (cost.filter_state_bytes_per_sequence > 0) {
    print("filter state       {} a sequence\n",
          human_bytes(static_cast<double>(cost.filter_state_bytes_per_sequence)));
  }
  for (const std::string& note : spec.notes) print("note               {}\n", note);
}

}  // namespace

void setup_info(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "A model or run folder, a config.json or a .gguf file")
      ->type_name("MODEL")
      ->required();
  add_json_flag(app, options->json);
  add_examples(app,
               "  cadre info OLMoE-1B-7B-0924/\n"
               "  cadre info mixtral-8x7b.Q4_K_M.gguf\n"
               "  cadre info config.json --json");
  app.callback([options] {
    const std::filesystem::path place = find_model(options->model);
    const model::ModelSpec spec = model::read_spec(place);
    const std::optional<Stored> files = stored(place, spec);
    const model::ModelCost cost = model::cost(spec);
    if (options->json) {
      JsonValue json = as_json(spec, cost);
      if (files) {
        json.set("stored", as_json(*files));
      }
      print("{}\n", json.pretty());
    } else {
      print_for_people(spec, cost);
      if (files) {
        print("stored             {}: {} in {} tensors, {}\n", files->format,
              human_bytes(static_cast<double>(files->bytes)), grouped(files->tensors),
              shares_of(files->types));
      }
    }
  });
}

}  // namespace cadre::cli
