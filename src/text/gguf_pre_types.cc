#include "text/gguf_pre_types.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace cadre::text {
namespace {

using nlohmann::json;

// The words of GPT-2; what ByteLevel cuts by itself.
constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// Llama 3, as its tokenizer.json has it.
constexpr std::string_view kLlama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Qwen 2: single digits.
constexpr std::string_view kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

json split(std::string_view regex) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

json sequence(json steps) { return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}}; }

json digits() { return {{"type", "Digits"}, {"individual_digits", true}}; }

std::vector<GgufPreType> make_types() {
  std::vector<GgufPreType> types;
  types.push_back({{"gpt-2", "olmo", "phi-2", "mpt", "jais", "jina-es", "jina-de", "jina-v2-es",
                    "jina-v2-de", "jina-v2-code", "roberta-bpe", "trillion", "granite-docling"},
                   false,
                   false,
                   byte_level(true).dump()});
  types.push_back({{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone"},
                   false,
                   false,
                   sequence({digits(), byte_level(true)}).dump()});
  types.push_back({{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2"},
                   true,
                   true,
                   sequence({split(kLlama3Words), byte_level(false)}).dump()});
  types.push_back({{"dbrx", "smaug-bpe"},
                   false,
                   false,
                   sequence({split(kLlama3Words), byte_level(false)}).dump()});
  types.push_back({{"qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"},
                   false,
                   false,
                   sequence({split(kQwen2Words), byte_level(false)}).dump()});
  types.push_back(
      {{"deepseek-coder"},
       false,
       false,
       sequence({split(R"([\r\n])"), split(R"(\s?\p{L}+)"), split(R"(\s?\p{P}+)"),
                 split("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"), digits(), byte_level(false)})
           .dump()});
  types.push_back({{"default"},
                   false,
                   false,
                   sequence({split(R"([\p{P}\$\+<=>\^~\|]+)"), split(kGpt2Words),
                             split(R"(\p{N}+)"), split("[0-9][0-9][0-9]"), byte_level(false)})
                       .dump()});
  return types;
}

const std::vector<GgufPreType>& types() {
  static const std::vector<GgufPreType> kTypes = make_types();
  return kTypes;
}

// Without what changes offsets only, which nobody asks for here.
json plain(json step) {
  if (step.is_object()) {
    step.erase("trim_offsets");
    if (step.contains("type") && step["type"] == "ByteLevel" && !step.contains("use_regex")) {
      step["use_regex"] = true;
    }
    if (step.contains("pretokenizers") && step["pretokenizers"].is_array()) {
      for (json& inner : step["pretokenizers"]) inner = plain(std::move(inner));
    }
  }
  return step;
}

}  // namespace

const GgufPreType* find_gguf_pre_type(std::string_view name) {
  for (const GgufPreType& type : types()) {
    if (std::ranges::find(type.names, name) != type.names.end()) return &type;
  }
  return nullptr;
}

const GgufPreType* find_gguf_pre_type(const json& pre_tokenizer, bool ignore_merges) {
  const json wanted = plain(pre_tokenizer);
  for (const GgufPreType& type : types()) {
    if (type.ignore_merges == ignore_merges && plain(json::parse(type.pre_tokenizer)) == wanted) {
      return &type;
    }
  }
  return nullptr;
}

std::string known_gguf_pre_types() {
  std::string names;
  for (const GgufPreType& type : types()) {
    for (const std::string_view name : type.names) {
      names += names.empty() ? "" : ", ";
      names += name;
    }
  }
  return names;
}

}  // namespace cadre::text
