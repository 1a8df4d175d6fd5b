#include "cli/chat_model.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/io/gguf.h"
#include "text/chat_template_files.h"

namespace cadre::cli {
namespace {

text::ChatTemplateSet templates_of(const std::filesystem::path& place) {
  if (std::filesystem::is_directory(place)) return text::read_chat_templates(place);
  if (io::is_gguf_file(place)) return text::read_gguf_chat_templates(place);
  return text::read_chat_templates(place.parent_path());
}

// The family's format, for checkpoints without a template of their own.
std::string template_of_family(const model::ModelSpec& spec) {
  const auto is = [&](std::string_view family) { return spec.architecture.starts_with(family); };
  if (is("Olmo")) return "olmoe";
  if (is("Mixtral") || is("Mistral")) return "mistral";
  if (is("Arctic")) return "chatml";
  if (is("Yuan")) return "yuan";
  return "";
}

void add_unique(std::vector<int32_t>& ids, int64_t id) {
  const auto token = static_cast<int32_t>(id);
  if (id >= 0 && std::ranges::find(ids, token) == ids.end()) ids.push_back(token);
}

}  // namespace

text::ChatTemplate chat_template_of(const std::filesystem::path& place,
                                    const model::ModelSpec& spec, const text::Tokenizer& tokenizer,
                                    const std::string& name, bool with_tools) {
  text::ChatTemplateSet set = templates_of(place);
  if (name.empty() && !set.empty()) return set.choose("", with_tools);
  // A configuration of the tokenizer may be missing where the model's names the tokens.
  const auto name_token = [&](const char* role, int64_t id) {
    const bool known = std::ranges::any_of(set.special_tokens,
                                           [&](const auto& entry) { return entry.first == role; });
    if (known || id < 0) return;
    set.special_tokens.emplace_back(role, tokenizer.id_to_token(static_cast<int32_t>(id)));
  };
  name_token("bos_token", spec.bos_token_id);
  name_token("eos_token", spec.eos_token_id);
  const std::string wanted = name.empty() ? template_of_family(spec) : name;
  if (wanted.empty()) {
    fail(ErrorKind::not_found,
         "{}: has no chat template, and none is known for {}; name one with --chat-template: {}",
         place.string(), spec.architecture, text::builtin_chat_template_names());
  }
  return text::find_chat_template(wanted, set, tokenizer);
}

std::vector<int32_t> chat_stop_tokens(const std::filesystem::path& place,
                                      const model::ModelSpec& spec,
                                      const text::Tokenizer& tokenizer,
                                      const text::ChatTemplate& chat) {
  std::vector<int32_t> ids;
  add_unique(ids, spec.eos_token_id);
  for (const auto& [role, token] : templates_of(place).special_tokens) {
    if (role == "eos_token") add_unique(ids, tokenizer.token_to_id(token));
  }
  // Whatever the template says an assistant's message ends with.
  constexpr std::string_view kAnswer = "An answer, to see what follows.";
  text::ChatRequest request;
  request.add_generation_prompt = false;
  request.messages.push(text::chat_message("user", "A question?"))
      .push(text::chat_message("assistant", kAnswer));
  try {
    const std::string text = chat.render(request).text;
    const size_t end = text.rfind(kAnswer);
    if (end != std::string::npos) {
      const auto behind = encode_chat(tokenizer, text.substr(end + kAnswer.size()));
      if (!behind.empty() && tokenizer.is_special(behind[0])) add_unique(ids, behind[0]);
    }
  } catch (const Error&) {
    // A template that refuses this conversation may accept others.
  }
  return ids;
}

std::vector<int32_t> encode_chat(const text::Tokenizer& tokenizer, const std::string& prompt) {
  return tokenizer.encode(prompt, {.add_special_tokens = false, .parse_special = true});
}

std::string chat_template_help() {
  return "Format of the conversation: " + text::builtin_chat_template_names() +
         ", a file with a Jinja template, or the name of one of the model's; by default the "
         "model's "
         "own";
}

}  // namespace cadre::cli
