#include "model/families/config.h"

#include "core/base/error.h"

namespace cadre::model {
namespace {

[[noreturn]] void refuse(const io::JsonView& config, std::string_view key,
                         std::string_view expected) {
  fail(ErrorKind::unsupported, "{} is {}, only {} is supported", config.at(key).where(),
       config.at(key).value().dump(), expected);
}

constexpr int64_t kMaxLayers = 4096;

// rope_scaling, or what transformers 5 keeps in rope_parameters, without the base.
RopeScaling read_scaling(const io::JsonView& rope, int64_t max_positions) {
  const std::string type = rope.string_or("rope_type", rope.string_or("type", "default"));
  RopeScaling scaling;
  if (type == "default") return scaling;
  if (type != "linear" && type != "llama3") {
    fail(ErrorKind::unsupported, "{} is {}, only default, linear and llama3 are supported",
         rope.at(rope.is_null("rope_type") ? "type" : "rope_type").where(), type);
  }
  scaling.kind = type == "linear" ? RopeScalingKind::linear : RopeScalingKind::llama3;
  scaling.factor = rope.number("factor");
  if (scaling.kind == RopeScalingKind::llama3) {
    scaling.low_frequency_factor = rope.number("low_freq_factor");
    scaling.high_frequency_factor = rope.number("high_freq_factor");
    scaling.original_positions = rope.integer_or("original_max_position_embeddings", max_positions);
  }
  return scaling;
}

io::JsonValue scaling_json(const RopeScaling& scaling) {
  if (scaling.kind == RopeScalingKind::none) return {};
  io::JsonValue json = io::JsonValue::object();
  if (scaling.kind == RopeScalingKind::linear) {
    json.set("rope_type", "linear").set("factor", scaling.factor);
    return json;
  }
  json.set("rope_type", "llama3")
      .set("factor", scaling.factor)
      .set("low_freq_factor", scaling.low_frequency_factor)
      .set("high_freq_factor", scaling.high_frequency_factor)
      .set("original_max_position_embeddings", scaling.original_positions);
  return json;
}

}  // namespace

ModelSpec read_common(const Family& family, const io::JsonView& config,
                      const ClassDefaults& defaults) {
  require_absent_or(config, "hidden_act", "silu");
  ModelSpec spec;
  spec.architecture = family.architecture;
  spec.vocab_size = config.integer_or("vocab_size", defaults.vocab_size);
  spec.hidden_size = config.integer_or("hidden_size", defaults.hidden_size);
  spec.max_positions = config.integer_or("max_position_embeddings", defaults.max_positions);
  spec.rms_norm_eps = config.number_or("rms_norm_eps", defaults.rms_norm_eps);
  spec.initializer_range = config.number_or("initializer_range", 0.02);
  spec.tied_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.router_aux_loss_coef =
      config.number_or("router_aux_loss_coef", defaults.router_aux_loss_coef);
  spec.bos_token_id = token_id_or(config, "bos_token_id", defaults.bos_token_id);
  spec.eos_token_id = token_id_or(config, "eos_token_id", defaults.eos_token_id);
  spec.pad_token_id = token_id_or(config, "pad_token_id", defaults.pad_token_id);
  return spec;
}

AttentionSpec read_attention(const io::JsonView& config, const ModelSpec& spec,
                             const ClassDefaults& defaults) {
  AttentionSpec attention;
  attention.num_heads = config.integer_or("num_attention_heads", defaults.num_heads);
  attention.num_kv_heads = attention.num_heads;
  if (!config.is_null("num_key_value_heads")) {
    attention.num_kv_heads = config.integer("num_key_value_heads");
  } else if (!config.has("num_key_value_heads") && defaults.num_kv_heads > 0) {
    attention.num_kv_heads = defaults.num_kv_heads;
  }
  attention.head_dim = config.is_null("head_dim")
                           ? divide_heads(config, spec.hidden_size, attention.num_heads)
                           : config.integer("head_dim");
  attention.rope = rope_or(config, defaults.rope_theta);
  return attention;
}

void read_attention_bias(const io::JsonView& config, std::string_view key, AttentionSpec& spec) {
  spec.qkv_bias = config.flag_or(key, false);
  spec.output_bias = spec.qkv_bias;
}

double clip_or_none(const io::JsonView& config, std::string_view key) {
  if (config.is_null(key)) return 0.0;
  const double clip = config.number(key);
  if (!(clip > 0)) {
    fail(ErrorKind::invalid_input, "{} = {}, expected more than 0 or null", config.at(key).where(),
         clip);
  }
  return clip;
}

int64_t window_or(const io::JsonView& config, std::string_view key, int64_t fallback) {
  if (!config.has(key)) return fallback;
  if (config.is_null(key)) return 0;
  const int64_t window = config.integer(key);
  if (window < 1) {
    fail(ErrorKind::invalid_input, "{} = {}, expected at least 1 or null", config.at(key).where(),
         window);
  }
  return window;
}

void require_absent_or(const io::JsonView& config, std::string_view key,
                       std::string_view expected) {
  if (!config.is_null(key) && config.string(key) != expected) refuse(config, key, expected);
}

void require_false(const io::JsonView& config, std::string_view key) {
  if (config.flag_or(key, false)) refuse(config, key, "false");
}

void require_null(const io::JsonView& config, std::string_view key) {
  if (!config.is_null(key)) refuse(config, key, "null");
}

int64_t divide_heads(const io::JsonView& config, int64_t hidden_size, int64_t num_heads) {
  if (num_heads < 1 || hidden_size % num_heads != 0) {
    fail(ErrorKind::invalid_input,
         "{}: hidden_size = {} is not a multiple of num_attention_heads = {}", config.where(),
         hidden_size, num_heads);
  }
  return hidden_size / num_heads;
}

double rope_theta_or(const io::JsonView& config, double fallback) {
  require_null(config, "rope_scaling");
  if (config.is_null("rope_parameters")) return config.number_or("rope_theta", fallback);
  const io::JsonView rope = config.object("rope_parameters");
  require_absent_or(rope, "rope_type", "default");
  return rope.number_or("rope_theta", config.number_or("rope_theta", fallback));
}

RopeSpec rope_or(const io::JsonView& config, double fallback_theta) {
  const int64_t positions = config.integer_or("max_position_embeddings", 8192);
  RopeSpec rope = {.theta = config.number_or("rope_theta", fallback_theta)};
  if (!config.is_null("rope_parameters")) {
    const io::JsonView parameters = config.object("rope_parameters");
    rope.theta = parameters.number_or("rope_theta", rope.theta);
    rope.scaling = read_scaling(parameters, positions);
  } else if (!config.is_null("rope_scaling")) {
    rope.scaling = read_scaling(config.object("rope_scaling"), positions);
  }
  return rope;
}

int64_t token_id_or(const io::JsonView& config, std::string_view key, int64_t fallback) {
  if (!config.has(key)) return fallback;
  if (config.is_null(key)) return -1;
  const std::vector<int64_t> ids = config.integer_list(key);
  return ids.empty() || ids.front() < 0 ? -1 : ids.front();
}

size_t layer_count(const io::JsonView& config, std::string_view key, int64_t fallback) {
  const int64_t count = config.integer_or(key, fallback);
  if (count < 1 || count > kMaxLayers) {
    fail(ErrorKind::invalid_input, "{}: {} = {}, expected 1 to {}", config.where(), key, count,
         kMaxLayers);
  }
  return static_cast<size_t>(count);
}

void write_common_config(const Family& family, const ModelSpec& spec, DType dtype,
                         io::JsonValue& json) {
  const AttentionSpec& attention = spec.blocks.front().attention;
  const auto id = [](int64_t value) { return value < 0 ? io::JsonValue() : io::JsonValue(value); };
  const std::string_view torch_name = dtype == DType::f32    ? "float32"
                                      : dtype == DType::bf16 ? "bfloat16"
                                                             : "float16";
  json.set("architectures", std::vector<std::string>{std::string(family.architecture)});
  json.set("model_type", family.model_type);
  json.set("torch_dtype", torch_name);
  json.set("vocab_size", spec.vocab_size);
  json.set("hidden_size", spec.hidden_size);
  json.set("num_hidden_layers", spec.num_layers());
  json.set("num_attention_heads", attention.num_heads);
  json.set("num_key_value_heads", attention.num_kv_heads);
  if (attention.head_dim * attention.num_heads != spec.hidden_size) {
    json.set("head_dim", attention.head_dim);
  }
  json.set("hidden_act", "silu");
  json.set("max_position_embeddings", spec.max_positions);
  json.set("initializer_range", spec.initializer_range);
  if (spec.norm == NormKind::rms) json.set("rms_norm_eps", spec.rms_norm_eps);
  json.set("rope_theta", attention.rope.theta);
  json.set("rope_scaling", scaling_json(attention.rope.scaling));
  json.set("attention_dropout", 0.0);
  json.set("use_cache", true);
  json.set("bos_token_id", id(spec.bos_token_id));
  json.set("eos_token_id", id(spec.eos_token_id));
  json.set("pad_token_id", id(spec.pad_token_id));
  json.set("tie_word_embeddings", spec.tied_embeddings);
}

io::JsonValue number_or_null(double value) {
  return value == 0.0 ? io::JsonValue() : io::JsonValue(value);
}

io::JsonValue integer_or_null(int64_t value) {
  return value == 0 ? io::JsonValue() : io::JsonValue(value);
}

}  // namespace cadre::model
