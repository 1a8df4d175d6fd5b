#include "text/chat_template_files.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/gguf.h"
#include "core/io/json.h"

namespace cadre::text {
namespace {

namespace fs = std::filesystem;
using Named = ChatTemplateSet::Named;

// Roles such as bos_token; a token is its written form or an object that has it as "content".
void read_special_tokens(const io::JsonView& root, SpecialTokens& tokens) {
  constexpr std::string_view kSuffix = "_token";
  for (const std::string& key : root.keys()) {
    if (!key.ends_with(kSuffix) || root.is_null(key)) continue;
    const bool known =
        std::ranges::any_of(tokens, [&](const auto& entry) { return entry.first == key; });
    const io::JsonView token = root.at(key);
    if (known || token.value().get_if<bool>()) continue;  // add_bos_token
    const bool is_object = token.value().get_if<io::JsonValue::Object>() != nullptr;
    tokens.emplace_back(key, is_object ? token.string("content") : token.as_string());
  }
}

void read_config_templates(const io::JsonView& root, const std::string& file,
                           std::vector<Named>& templates) {
  if (!root.has("chat_template") || root.is_null("chat_template")) return;
  const std::string where = file + ": chat_template";
  const io::JsonView field = root.at("chat_template");
  if (const std::string* text = field.value().get_if<std::string>()) {
    templates.push_back({"default", *text, where});
    return;
  }
  const io::JsonView& list = field.expect_array();
  for (int64_t i = 0; i < list.size(); ++i) {
    const io::JsonView entry = list.element(i);
    const std::string name = entry.string("name");
    templates.push_back({name, entry.string("template"), where + " \"" + name + "\""});
  }
}

void read_template_files(const fs::path& folder, std::vector<Named>& templates) {
  constexpr uint64_t kMaxBytes = 1 << 20;
  const fs::path file = folder / "chat_template.jinja";
  if (fs::exists(file)) {
    templates.push_back({"default", read_text_file(file, kMaxBytes), file.string()});
  }
  const fs::path more = folder / "additional_chat_templates";
  if (!fs::is_directory(more)) return;
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(more)) {
    if (entry.path().extension() == ".jinja") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  for (const fs::path& named : files) {
    templates.push_back({named.stem().string(), read_text_file(named, kMaxBytes), named.string()});
  }
}

std::string list_names(const std::vector<Named>& templates) {
  std::string names;
  for (const Named& named : templates) names += (names.empty() ? "" : ", ") + named.name;
  return names;
}

std::string mistral_version(const Tokenizer& tokenizer) {
  const int32_t bracket = tokenizer.token_to_id("[INST]");
  if (bracket < 0) return "mistral-v1";
  const std::vector<int32_t> ids = tokenizer.encode("[INST]a", {.add_special_tokens = false});
  const bool own_space = ids.size() > 1 && ids[0] == bracket &&
                         tokenizer.id_to_token(ids[1]).starts_with("\xe2\x96\x81");
  return own_space ? "mistral-v3-spm" : "mistral-v3";
}

}  // namespace

ChatTemplate ChatTemplateSet::choose(std::string_view name, bool with_tools) const {
  const auto find = [&](std::string_view wanted) {
    return std::ranges::find(templates, wanted, &Named::name);
  };
  auto found = templates.end();
  if (!name.empty()) {
    found = find(name);
  } else {
    if (with_tools) found = find("tool_use");
    if (found == templates.end()) found = find("default");
  }
  if (found == templates.end()) {
    fail(ErrorKind::not_found, "no chat template \"{}\"; the model has {}",
         name.empty() ? "default" : name, empty() ? "none" : list_names(templates));
  }
  return {found->source, found->where, special_tokens};
}

ChatTemplateSet read_chat_templates(const fs::path& folder) {
  ChatTemplateSet set;
  read_template_files(folder, set.templates);
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const fs::path file = folder / name;
    if (!fs::exists(file)) continue;
    const io::JsonView root = io::JsonView::read_file(file);
    root.expect_object();
    read_special_tokens(root, set.special_tokens);
    if (set.empty()) read_config_templates(root, file.string(), set.templates);
  }
  return set;
}

ChatTemplateSet read_gguf_chat_templates(const fs::path& file) {
  const auto gguf = io::GgufFile::open(file);
  constexpr std::string_view kKey = "tokenizer.chat_template";
  ChatTemplateSet set;
  for (const std::string& key : gguf->keys()) {
    if (!key.starts_with(kKey)) continue;
    const std::string_view rest = std::string_view(key).substr(kKey.size());
    if (!rest.empty() && (rest[0] != '.' || rest.size() == 1)) continue;  // a list of the names
    const std::string name(rest.empty() ? "default" : rest.substr(1));
    set.templates.push_back({name, gguf->string(key), file.string() + ": " + key});
  }
  if (!gguf->has("tokenizer.ggml.tokens")) return set;
  const std::vector<std::string_view> tokens = gguf->strings("tokenizer.ggml.tokens");
  for (const auto& [role, key] : {std::pair{"bos_token", "tokenizer.ggml.bos_token_id"},
                                  {"eos_token", "tokenizer.ggml.eos_token_id"},
                                  {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                  {"pad_token", "tokenizer.ggml.padding_token_id"}}) {
    const int64_t id = gguf->integer_or(key, -1);
    if (id < 0 || id >= static_cast<int64_t>(tokens.size())) continue;
    set.special_tokens.emplace_back(role, tokens[static_cast<size_t>(id)]);
  }
  return set;
}

ChatTemplate find_chat_template(const std::string& name, const ChatTemplateSet& set,
                                const Tokenizer& tokenizer) {
  const auto named = std::ranges::find(set.templates, name, &Named::name);
  if (named != set.templates.end()) return set.choose(name, false);
  std::string known = name;
  if (known == "mistral") {
    known = mistral_version(tokenizer);
  }
  if (auto source = builtin_chat_template(known)) {
    return {std::move(*source), "chat template " + known, set.special_tokens};
  }
  if (!fs::is_regular_file(name)) {
    fail(ErrorKind::not_found, "chat template \"{}\": neither a file nor one of {}{}{}", name,
         builtin_chat_template_names(), set.empty() ? "" : ", ", list_names(set.templates));
  }
  constexpr uint64_t kMaxBytes = 1 << 20;
  return {read_text_file(name, kMaxBytes), name, set.special_tokens};
}

}  // namespace cadre::text
