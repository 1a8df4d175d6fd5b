#include "core/base/file.h"
#include "core/io/json.h"
#include "model/families/family.h"
#include "model/hf.h"

namespace cadre::model {

ModelSpec read_spec(const std::filesystem::path& path) {
  const std::filesystem::path file =
      std::filesystem::is_directory(path) ? path / "config.json" : path;
  const io::JsonView config = io::JsonView::read_file(file);
  config.expect_object();
  ModelSpec spec = find_family(config).read_config(config);
  validate(spec, file.string());
  return spec;
}

void write_config_files(const std::filesystem::path& folder, const ModelSpec& spec, DType dtype) {
  io::JsonValue config = io::JsonValue::object();
  find_family(spec.architecture).write_config(spec, dtype, config);
  write_file_atomically(folder / "config.json", config.pretty() + "\n");
  io::JsonValue generation = io::JsonValue::object();
  generation.set("_from_model_config", true);
  if (spec.eos_token_id >= 0) generation.set("eos_token_id", spec.eos_token_id);
  if (spec.pad_token_id >= 0) generation.set("pad_token_id", spec.pad_token_id);
  write_file_atomically(folder / "generation_config.json", generation.pretty() + "\n");
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
