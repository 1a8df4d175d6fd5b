#include "text/gguf_tokenizer_copy.h"

#include <fmt/core.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "text/gguf_tokenizer.h"

namespace cadre::text {

void copy_gguf_tokenizer(const io::GgufFile& file, io::GgufMetadata& metadata) {
  if (!has_gguf_tokenizer(file)) {
    metadata.set("tokenizer.ggml.model", std::string("no_vocab"));
    return;
  }
  using io::GgufKind;
  const auto refuse = [&](const std::string& key) {
    fail(ErrorKind::unsupported, "{} is of a kind that is not copied", file.where(key));
  };
  for (const std::string& key : file.keys()) {
    if (!key.starts_with("tokenizer.")) continue;
    const io::GgufValue& value = *file.find_value(key);
    const bool list = value.kind == GgufKind::array;
    switch (list ? value.element_kind : value.kind) {
      case GgufKind::string:
        if (list) {
          const auto texts = file.strings(key);
          metadata.set(key, std::vector<std::string>(texts.begin(), texts.end()));
        } else {
          metadata.set(key, file.string(key));
        }
        break;
      case GgufKind::f32:
        if (list) {
          const auto numbers = file.numbers(key);
          metadata.set(key, std::vector<float>(numbers.begin(), numbers.end()));
        } else {
          metadata.set(key, static_cast<float>(file.number(key)));
        }
        break;
      case GgufKind::boolean:
        if (list) refuse(key);
        metadata.set(key, file.flag_or(key, false));
        break;
      case GgufKind::i32:
        if (list) {
          const auto integers = file.integers(key);
          metadata.set(key, std::vector<int32_t>(integers.begin(), integers.end()));
        } else {
          metadata.set(key, static_cast<int32_t>(file.integer(key)));
        }
        break;
      case GgufKind::u32:
        if (list) {
          const auto integers = file.integers(key);
          metadata.set(key, std::vector<uint32_t>(integers.begin(), integers.end()));
        } else {
          metadata.set(key, static_cast<uint32_t>(file.integer(key)));
        }
        break;
      default:
        refuse(key);
    }
  }
}

void save_gguf_tokenizer(const io::GgufFile& file, const std::filesystem::path& folder) {
  if (!has_gguf_tokenizer(file)) return;
  const Tokenizer tokenizer = read_gguf_tokenizer(file);
  for (const TokenizerFile& made : tokenizer.files()) {
    // from_json does not name what it was given.
    const std::string name = made.name.empty() ? "tokenizer.json" : made.name;
    write_file_atomically(folder / name, made.content);
  }
  write_tokenizer_config(folder, tokenizer, read_gguf_tokenizer_config(file));
}

}  // namespace cadre::text
