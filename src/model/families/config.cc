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

}  // namespace

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
         "{}hidden_size = {} is not a multiple of num_attention_heads = {}", config.where(),
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

int64_t token_id_or(const io::JsonView& config, std::string_view key, int64_t fallback) {
  if (!config.has(key)) return fallback;
  if (config.is_null(key)) return -1;
  const std::vector<int64_t> ids = config.integer_list(key);
  return ids.empty() ? -1 : ids.front();
}

size_t layer_count(const io::JsonView& config, std::string_view key, int64_t fallback) {
  const int64_t count = config.integer_or(key, fallback);
  if (count < 1 || count > kMaxLayers) {
    fail(ErrorKind::invalid_input, "{}{} = {}, expected 1 to {}", config.where(), key, count,
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
  json.set("rms_norm_eps", spec.rms_norm_eps);
  json.set("rope_theta", attention.rope.theta);
  json.set("rope_scaling", io::JsonValue());
  json.set("attention_dropout", 0.0);
  json.set("use_cache", true);
  json.set("bos_token_id", io::JsonValue());
  json.set("eos_token_id", id(spec.eos_token_id));
  json.set("pad_token_id", id(spec.pad_token_id));
  json.set("tie_word_embeddings", spec.tied_embeddings);
}

}  // namespace cadre::model
