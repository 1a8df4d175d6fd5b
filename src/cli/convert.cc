#include "cli/convert.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "core/base/error.h"
#include "core/io/gguf.h"
#include "model/mistral_save.h"
#include "model/router_json.h"
#include "text/gguf_tokenizer.h"

namespace cadre::cli {
namespace {

namespace fs = std::filesystem;

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr Unit kUnits[] = {{"", 1},         {"B", 1},       {"KB", 1e3},     {"MB", 1e6},
                           {"GB", 1e9},     {"TB", 1e12},   {"KiB", 0x1p10}, {"MiB", 0x1p20},
                           {"GiB", 0x1p30}, {"TiB", 0x1p40}};

std::optional<DType> plain_type(std::string_view dtype, std::string_view to) {
  if (dtype == "auto") return std::nullopt;
  for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
    if (dtype == dtype_name(type)) return type;
  }
  fail(ErrorKind::invalid_input, "--dtype {}: expected auto, f32, bf16 or f16 for {}", dtype, to);
}

// A GGUF file holds its tokenizer within; folders have had theirs copied.
void save_tokenizer(const fs::path& source, const fs::path& output) {
  if (!io::is_gguf_file(source)) return;
  text::save_gguf_tokenizer(*io::GgufFile::open(source), output);
}

ConvertTarget hf_target(std::string_view to, const model::HfOptions& options,
                        const model::Weights& weights, const model::ModelSpec& spec) {
  ConvertTarget target;
  target.name = to;
  target.bytes = model::hf_weight_bytes(weights, spec, options);
  target.write = [options, &weights, spec](Context& ctx, const fs::path& source,
                                           const fs::path& output,
                                           const model::ConvertProgress& progress) {
    fs::create_directory(output);
    model::write_hf_files(output, source, spec, options.dtype.value_or(weights.dtype(0)));
    save_tokenizer(source, output);
    model::write_hf_weights(ctx, output, weights, spec, options, progress);
  };
  return target;
}

ConvertTarget mistral_target(std::optional<DType> dtype, const model::Weights& weights,
                             const model::ModelSpec& spec) {
  ConvertTarget target;
  target.name = "mistral";
  target.bytes = model::mistral_weight_bytes(weights, spec, dtype);
  target.write = [dtype, &weights, spec](Context& ctx, const fs::path& source,
                                         const fs::path& output,
                                         const model::ConvertProgress& progress) {
    fs::create_directory(output);
    model::write_mistral(ctx, output, source, weights, spec, dtype, progress);
    save_tokenizer(source, output);
  };
  return target;
}

}  // namespace

ConvertTarget convert_target(std::string_view to, std::string_view dtype, int64_t max_shard_bytes,
                             const model::Weights& weights, const model::ModelSpec& spec) {
  if (to == "hf" || to == "hf-packed") {
    model::HfOptions options;
    options.dtype = plain_type(dtype, to);
    options.packed_experts = to == "hf-packed";
    options.max_shard_bytes = max_shard_bytes;
    return hf_target(to, options, weights, spec);
  }
  if (to == "mistral") return mistral_target(plain_type(dtype, to), weights, spec);
  if (to == "gguf") return gguf_target(dtype, weights, spec);
  fail(ErrorKind::invalid_input, "--to {}: expected hf, hf-packed, mistral or gguf", to);
}

void check_same_spec(const model::ModelSpec& source, const model::ModelSpec& written) {
  const auto expect = [&](bool same, const char* what) {
    if (!same) {
      fail(ErrorKind::unsupported, "the format does not keep {} of this {}", what,
           source.architecture);
    }
  };
  expect(source.vocab_size == written.vocab_size, "vocab_size");
  expect(source.hidden_size == written.hidden_size, "hidden_size");
  expect(source.tied_embeddings == written.tied_embeddings, "tied embeddings");
  expect(source.norm == written.norm, "the kind of norm");
  // Some formats keep it in f32.
  expect(source.rms_norm_eps == written.rms_norm_eps ||
             std::fabs(source.rms_norm_eps / written.rms_norm_eps - 1.0) < 1e-6,
         "the norm's epsilon");
  expect(source.num_layers() == written.num_layers(), "the number of layers");
  expect(model::inference_view(source).blocks == model::inference_view(written).blocks,
         "a layer's configuration");
  // A tokenizer may know of roles that the source does not name.
  const auto expect_id = [&](int64_t id, int64_t found, const char* what) {
    expect(id < 0 || id == found, what);
  };
  expect_id(source.bos_token_id, written.bos_token_id, "bos_token_id");
  expect_id(source.eos_token_id, written.eos_token_id, "eos_token_id");
  expect_id(source.pad_token_id, written.pad_token_id, "pad_token_id");
}

int64_t parse_bytes(std::string_view text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const Unit& unit : kUnits) {
    if (error != std::errc() || rest != unit.name) continue;
    const double bytes = value * unit.bytes;
    if (bytes >= 1.0 && bytes < 0x1p62) return static_cast<int64_t>(bytes);
  }
  fail(ErrorKind::invalid_input, "size \"{}\": expected a number with B, KB, MB, GB, KiB, ...",
       text);
}

}  // namespace cadre::cli
