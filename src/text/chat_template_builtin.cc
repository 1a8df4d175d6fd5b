// Chat templates of families, written from what is known of their formats.
#include <array>
#include <string>
#include <utility>

#include "text/chat_template_files.h"

namespace cadre::text {
namespace {

// A message's content: a text, or the texts of its parts.
constexpr const char* kContent = R"({%- macro content_of(message) -%}
  {%- if message.content is string -%}
    {{- message.content -}}
  {%- else -%}
    {%- for part in message.content or [] -%}
      {%- if part is string -%}{{- part -}}
      {%- elif part.type == 'text' -%}{{- part.text -}}
      {%- else -%}{{- raise_exception('this model reads text only') -}}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro -%}
)";

// One <|endoftext|>; then each turn behind its role on a line of its own. An answer ends in
// <|endoftext|>, with a newline where another turn follows. The role markers are ordinary text.
constexpr const char* kOlmoe = R"(
{{- bos_token or eos_token or '<|endoftext|>' -}}
{%- for message in messages -%}
  {%- if message.role == 'assistant' -%}
    {{- '<|assistant|>\n' -}}
    {%- generation -%}
      {{- content_of(message) ~ (eos_token or '<|endoftext|>') -}}
    {%- endgeneration -%}
    {{- '' if loop.last else '\n' -}}
  {%- elif message.role in ['system', 'user'] -%}
    {{- '<|' ~ message.role ~ '|>\n' ~ content_of(message) ~ '\n' -}}
  {%- else -%}
    {{- raise_exception('the role ' ~ message.role ~ ' is unknown; expected system, user or assistant') -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|assistant|>\n' -}}
{%- endif -%}
)";

// The system text stands before that of the first user turn. Each answer's leading space is its
// own.
constexpr const char* kMistralV1 = R"(
{%- set ns = namespace(system='', turn=0) -%}
{{- bos_token -}}
{%- for message in messages -%}
  {%- if message.role == 'system' -%}
    {%- set ns.system = ns.system ~ content_of(message) ~ '\n\n' -%}
  {%- else -%}
    {%- if (message.role == 'user') != (ns.turn % 2 == 0) -%}
      {{- raise_exception('roles must alternate: user, assistant, user, assistant ...') -}}
    {%- endif -%}
    {%- set ns.turn = ns.turn + 1 -%}
    {%- if message.role == 'user' -%}
      {{- '[INST] ' ~ ns.system ~ content_of(message) ~ ' [/INST]' -}}
      {%- set ns.system = '' -%}
    {%- elif message.role == 'assistant' -%}
      {%- generation -%}
        {{- ' ' ~ content_of(message) ~ eos_token -}}
      {%- endgeneration -%}
    {%- else -%}
      {{- raise_exception('the role ' ~ message.role ~ ' is unknown; expected system, user or assistant') -}}
    {%- endif -%}
  {%- endif -%}
{%- endfor -%}
)";

// Brackets are tokens of their own. Tools and the system text stand at the last user turn. A gap
// follows each bracket, unless the tokenizer puts one there by itself.
constexpr const char* kMistralV3 = R"(
{%- set gap = gap|default(' ') -%}
{%- set ns = namespace(system='', last_user=-1, turn=0) -%}
{%- for message in messages -%}
  {%- if message.role == 'system' -%}
    {%- set ns.system = ns.system ~ content_of(message) ~ '\n\n' -%}
  {%- elif message.role == 'user' -%}
    {%- set ns.last_user = loop.index0 -%}
  {%- endif -%}
{%- endfor -%}
{{- bos_token -}}
{%- for message in messages -%}
  {%- if message.role == 'user' or (message.role == 'assistant' and not message.tool_calls) -%}
    {%- if (message.role == 'user') != (ns.turn % 2 == 0) -%}
      {{- raise_exception('roles must alternate: user, assistant, user, assistant ...') -}}
    {%- endif -%}
    {%- set ns.turn = ns.turn + 1 -%}
  {%- endif -%}
  {%- if message.role == 'user' -%}
    {%- if tools and loop.index0 == ns.last_user -%}
      {{- '[AVAILABLE_TOOLS]' ~ gap ~ tools|tojson ~ '[/AVAILABLE_TOOLS]' -}}
    {%- endif -%}
    {{- '[INST]' ~ gap ~ (ns.system if loop.index0 == ns.last_user else '') ~ content_of(message) ~ '[/INST]' -}}
  {%- elif message.role == 'assistant' -%}
    {%- generation -%}
      {%- if message.tool_calls -%}
        {{- '[TOOL_CALLS]' ~ gap ~ '[' -}}
        {%- for call in message.tool_calls -%}
          {%- set function = call.function or call -%}
          {%- set arguments = function.arguments if function.arguments is string else function.arguments|tojson -%}
          {{- '{"name": ' ~ function.name|tojson ~ ', "arguments": ' ~ arguments -}}
          {{- (', "id": ' ~ call.id|tojson if call.id else '') ~ '}' ~ ('' if loop.last else ', ') -}}
        {%- endfor -%}
        {{- ']' -}}
      {%- else -%}
        {{- gap ~ content_of(message) -}}
      {%- endif -%}
      {{- eos_token -}}
    {%- endgeneration -%}
  {%- elif message.role in ['tool', 'tool_results'] -%}
    {{- '[TOOL_RESULTS]' ~ gap ~ '{"content": ' ~ message.content|tojson -}}
    {{- ', "call_id": ' ~ message.tool_call_id|tojson ~ '}[/TOOL_RESULTS]' -}}
  {%- elif message.role != 'system' -%}
    {{- raise_exception('the role ' ~ message.role ~ ' is unknown; expected system, user, assistant or tool') -}}
  {%- endif -%}
{%- endfor -%}
)";

constexpr const char* kChatml = R"(
{%- for message in messages -%}
  {{- '<|im_start|>' ~ message.role ~ '\n' -}}
  {%- if message.role == 'assistant' -%}
    {%- generation -%}
      {{- content_of(message) ~ '<|im_end|>' -}}
    {%- endgeneration -%}
  {%- else -%}
    {{- content_of(message) ~ '<|im_end|>' -}}
  {%- endif -%}
  {{- '\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
{%- endif -%}
)";

// The question, <sep>, the answer up to <eod>. Earlier turns are joined by <n>, which stands for a
// newline and is one by the time of tokenising. A system text comes first, on lines of its own.
constexpr const char* kYuan = R"(
{%- set ns = namespace(turns=0) -%}
{%- for message in messages -%}
  {%- if message.role == 'system' -%}
    {{- content_of(message) ~ '\n' -}}
  {%- elif message.role == 'assistant' and loop.last and not add_generation_prompt -%}
    {{- '<sep>' -}}
    {%- generation -%}
      {{- content_of(message) ~ '<eod>' -}}
    {%- endgeneration -%}
  {%- elif message.role in ['user', 'assistant'] -%}
    {{- ('\n' if ns.turns else '') ~ content_of(message) -}}
    {%- set ns.turns = ns.turns + 1 -%}
  {%- else -%}
    {{- raise_exception('the role ' ~ message.role ~ ' is unknown; expected system, user or assistant') -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<sep>' -}}
{%- endif -%}
)";

constexpr std::array<std::pair<std::string_view, const char*>, 6> kTemplates = {
    {{"olmoe", kOlmoe},
     {"mistral-v1", kMistralV1},
     {"mistral-v3", kMistralV3},
     {"mistral-v3-spm", kMistralV3},
     {"chatml", kChatml},
     {"yuan", kYuan}}};

}  // namespace

std::optional<std::string> builtin_chat_template(std::string_view name) {
  for (const auto& [known, source] : kTemplates) {
    if (known != name) continue;
    const char* settings = known == "mistral-v3-spm" ? "{%- set gap = '' -%}\n" : "";
    return std::string(settings) + kContent + source;
  }
  return std::nullopt;
}

std::string builtin_chat_template_names() {
  std::string names = "mistral";
  for (const auto& entry : kTemplates) names += ", " + std::string(entry.first);
  return names;
}

}  // namespace cadre::text
