#include <utility>

#include "core/base/file.h"
#include "core/io/gguf.h"
#include "core/io/json.h"
#include "core/io/json_value.h"
#include "core/io/safetensors_writer.h"
#include "model/families/family.h"
#include "model/hf.h"
#include "model/layout_writer.h"
#include "model/router_json.h"

namespace cadre::model {

void save_model(Context& ctx, const std::filesystem::path& folder, const ModelSpec& spec,
                const SaveOptions& options,
                const std::function<Tensor(int64_t parameter)>& source) {
  const std::vector<ParameterSpec> parameters = parameter_list(spec);
  const auto read = [&](int64_t parameter, Range elements, DType type) {
    const ParameterSpec& expected = parameters[static_cast<size_t>(parameter)];
    const Tensor whole = source(parameter);
    expect_shape(whole, expected.shape, expected.name);
    const Tensor piece = whole.reshape({whole.elements()}).slice(elements.begin, elements.end);
    if (piece.dtype() == type) return piece;
    const Tensor converted = ctx.empty(piece.shape(), type);
    const kernels::CastArgs args = {piece.raw(), piece.dtype(), converted.raw(), type};
    ctx.for_rows(piece.elements(), dtype_size(type),
                 [&](Range range) { ctx.kernels().cast(args, range); });
    return converted;
  };
  write_config_files(folder, spec, options.dtype);
  const Family& family = find_family(spec.architecture);
  LayoutWriter writer(family.layouts.front(), spec, options.dtype, family.stores_tied_head);
  io::ShardedSafetensorsWriter files(folder, writer.entries(), options.max_shard_bytes);
  for (const io::TensorEntry& entry : files.entries()) writer.write(ctx, entry.name, read, files);
  files.finish();
}

namespace {

void write_model_config(const ModelSpec& spec, DType dtype, io::JsonValue& config) {
  const Family& family = find_family(spec.architecture);
  const auto write = [&](const ModelSpec& written) {
    config = io::JsonValue::object();
    family.write_config(written, dtype, config);
    return family.read_config(io::JsonView(config, "config.json"));
  };
  ModelSpec read_back = write(spec);
  // A router that a family can express in inference only is written to it as that.
  if (!same_in_inference(spec, read_back)) read_back = write(inference_view(spec));
  write_router(spec, read_back, config);
}

}  // namespace

void write_config_files(const std::filesystem::path& folder, const ModelSpec& spec, DType dtype) {
  io::JsonValue config = io::JsonValue::object();
  write_model_config(spec, dtype, config);
  write_file_atomically(folder / "config.json", config.pretty() + "\n");
  io::JsonValue generation = io::JsonValue::object();
  generation.set("_from_model_config", true);
  if (spec.eos_token_id >= 0) generation.set("eos_token_id", spec.eos_token_id);
  if (spec.pad_token_id >= 0) generation.set("pad_token_id", spec.pad_token_id);
  write_file_atomically(folder / "generation_config.json", generation.pretty() + "\n");
}

std::string read_generation_config(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "generation_config.json";
  if (!std::filesystem::is_regular_file(file)) return "";
  std::string text = read_text_file(file);
  io::JsonView::parse(text, file.string()).expect_object();
  return text;
}

std::optional<std::filesystem::path> companion_folder(const std::filesystem::path& source) {
  if (io::is_gguf_file(source)) return std::nullopt;
  return std::filesystem::is_directory(source) ? source : source.parent_path();
}

void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja"}) {
    if (!std::filesystem::exists(from / name)) continue;
    write_file_atomically(to / name, read_text_file(from / name));
  }
}

}  // namespace cadre::model
