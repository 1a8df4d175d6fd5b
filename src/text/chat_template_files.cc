#include "text/chat_template_files.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/file.h"
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

ChatTemplate find_chat_template(const std::string& name, const ChatTemplateSet& set,
                                const Tokenizer& tokenizer) {
  const auto named = std::ranges::find(set.templates, name, &Named::name);
  if (named != set.templates.end()) return set.choose(name, false);
  std::string known = name;
  if (known == "mistral") {
    known = tokenizer.token_to_id("[INST]") >= 0 ? "mistral-v3" : "mistral-v1";
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
